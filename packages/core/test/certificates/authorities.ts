import { generateKeyPairSync, sign } from 'node:crypto'
import { PrivateKey, type PublicKey, type SignatureAlgorithm } from '@parley/core/crypto'
import { der, derBitString, derObjectIdentifier, derSequence, TAG } from '../../src/certificates/der.ts'
import { OID } from '../../src/certificates/identifiers.ts'
import { distinguishedName, extension, issueCertificate } from '../../src/certificates/issue.ts'
import { derTime } from '../../src/certificates/time.ts'

export const NOT_BEFORE = new Date('2026-01-01T00:00:00Z')
export const NOT_AFTER = new Date('2036-01-01T00:00:00Z')
export const DURING = new Date('2030-06-15T12:00:00Z')

/** How one certificate of a chain differs from one that is in order. */
export interface Deviation {
  readonly isAuthority?: boolean
  readonly pathLength?: number
  /** The byte of keyUsage bits. */
  readonly keyUsage?: number
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** The issuer's name in it, instead of that of the next one. */
  readonly issuerName?: string
  /** Signed by a key that is not the issuer's. */
  readonly strangeSigner?: boolean
  readonly extensions?: Uint8Array[]
  readonly algorithm?: SignatureAlgorithm
  /** Name of the certificate; chains of self-issued authorities share one. */
  readonly name?: string
}

/** A made chain, leaf first, with the leaf's key. */
export interface MadeChain {
  readonly chain: Uint8Array[]
  readonly leafKey: PrivateKey<SignatureAlgorithm>
}

const byte = (value: number) => Uint8Array.of(value)

function basicConstraints({ isAuthority, pathLength }: Deviation): Uint8Array {
  const ca = isAuthority ? [der(TAG.boolean, byte(0xff))] : []
  const length = pathLength === undefined ? [] : [der(TAG.integer, byte(pathLength))]
  return extension(OID.basicConstraints, derSequence(...ca, ...length), true)
}

/**
 * A chain of `length` certificates that is in order but for the deviations, leaf first as in TLS.
 * @param deviations by position in the chain
 */
export function makeChain(
  length: number,
  deviations: Readonly<Record<number, Deviation>> = {},
  algorithm: SignatureAlgorithm = 'ed25519',
): MadeChain {
  const deviation = (i: number) => deviations[i] ?? {}
  const keys = Array.from({ length }, (_, i) => PrivateKey.generate(deviation(i).algorithm ?? algorithm))
  const name = (i: number) => distinguishedName([OID.commonName, deviation(i).name ?? `certificate ${i}`])
  const chain = keys.map((key, i) => {
    const own = { isAuthority: i > 0, ...deviation(i) }
    const issuer = Math.min(i + 1, length - 1)
    const signingKey = own.strangeSigner ? PrivateKey.generate(algorithm) : (keys[issuer] ?? key)
    const keyUsage =
      own.keyUsage === undefined
        ? []
        : [extension(OID.keyUsage, der(TAG.bitString, Uint8Array.of(0, own.keyUsage)), true)]
    return issueCertificate({
      issuer: own.issuerName ? distinguishedName([OID.commonName, own.issuerName]) : name(issuer),
      subject: name(i),
      publicKey: key.publicKey,
      signingKey,
      notBefore: own.notBefore ?? NOT_BEFORE,
      notAfter: own.notAfter ?? NOT_AFTER,
      extensions: [basicConstraints(own), ...keyUsage, ...(own.extensions ?? [])],
    })
  })
  return { chain, leafKey: keys[0] as PrivateKey<SignatureAlgorithm> }
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'

/** An identity certificate of this key, issued by a new root with a P-256 key. */
export function underEcdsaRoot(identityKey: PublicKey): { root: Uint8Array; identity: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = derSequence(derObjectIdentifier(ECDSA_WITH_SHA256))
  const issuer = distinguishedName([OID.commonName, 'P-256 root'])
  const issue = (subject: Uint8Array, spki: Uint8Array) => {
    const body = derSequence(
      der(TAG.context(0), der(TAG.integer, byte(2))),
      der(TAG.integer, byte(1)),
      algorithm,
      issuer,
      derSequence(derTime(NOT_BEFORE), derTime(NOT_AFTER)),
      subject,
      spki,
      der(TAG.context(3), derSequence(basicConstraints({ isAuthority: true }))),
    )
    return derSequence(body, algorithm, derBitString(sign('sha256', body, privateKey)))
  }
  return {
    root: issue(issuer, publicKey.export({ type: 'spki', format: 'der' })),
    identity: issue(distinguishedName([OID.commonName, 'identity']), identityKey.spki),
  }
}
