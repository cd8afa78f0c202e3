import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  CertificateError,
  type CertificateErrorCode,
  fingerprint,
  fromPem,
  readCertificate,
  validateChain,
} from '@parley/core/certificates'
import { PrivateKey } from '@parley/core/crypto'
import fc from 'fast-check'
import { der, derSequence, TAG } from '../../src/certificates/der.ts'
import { extension, issueCertificate } from '../../src/certificates/issue.ts'
import { type Deviation, DURING, makeChain, NOT_AFTER, NOT_BEFORE, underEcdsaRoot } from './authorities.ts'

const now = DURING
/** keyCertSign and digitalSignature in the byte of keyUsage. */
const SIGN_CERTIFICATES = 0x04
const SIGN_DATA = 0x80
const UNKNOWN_EXTENSION = '1.2.3.4.5'

function refused(chain: readonly Uint8Array[], code: CertificateErrorCode, options: { keyHash?: Uint8Array } = {}) {
  assert.throws(
    () => validateChain(chain, { now, ...options }),
    (error: unknown) => error instanceof CertificateError && error.code === code,
    `expected ${code}`,
  )
}

function withDeviation(length: number, at: number, deviation: Deviation): Uint8Array[] {
  return makeChain(length, { [at]: deviation }).chain
}

describe('validateChain', () => {
  for (const algorithm of ['ed25519', 'ed448'] as const) {
    for (const length of [2, 3, 4]) {
      it(`accepts ${length} certificates of ${algorithm}; the second is the identity`, () => {
        const { chain, leafKey } = makeChain(length, {}, algorithm)
        const keyHash = fingerprint(chain[1] as Uint8Array)
        const valid = validateChain(chain, { keyHash, now })
        assert.ok(valid.leafKey.equals(leafKey.publicKey))
        assert.deepEqual(new Uint8Array(valid.identityCertificate), new Uint8Array(chain[1] as Uint8Array))
        assert.deepEqual(valid.identityFingerprint, keyHash)
        assert.ok(validateChain(chain, { keyHash, now }).leafKey.equals(leafKey.publicKey), 'the second time too')
        for (const other of chain.filter((_, i) => i !== 1)) {
          refused(chain, 'FINGERPRINT', { keyHash: fingerprint(other) })
        }
      })
    }
  }

  it('accepts a chain of two algorithms', () => {
    const { chain } = makeChain(3, { 1: { algorithm: 'ed448' } })
    assert.ok(validateChain(chain, { now }))
  })

  it('accepts the chain of a real router', () => {
    const file = new URL('../../../../test/vectors/sx-handshake.json', import.meta.url)
    const vectors = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    const [leaf] = fromPem('CERTIFICATE', String(vectors.serverCertPem))
    const [identity] = fromPem('CERTIFICATE', String(vectors.caCertPem))
    assert.ok(leaf && identity)
    const keyHash = Buffer.from(String(vectors.keyHash), 'base64url')
    const { notBefore } = readCertificate(leaf)
    assert.equal(validateChain([leaf, identity], { keyHash, now: notBefore }).leafKey.algorithm, 'ed25519')
    const hello = Buffer.from(String(vectors.serverHello), 'hex')
    assert.ok(hello.includes(Buffer.from(leaf)) && hello.includes(Buffer.from(identity)))
  })

  it('refuses other numbers of certificates', () => {
    const { chain } = makeChain(4)
    const [leaf] = chain
    assert.ok(leaf)
    refused([], 'CHAIN_LENGTH')
    refused([leaf], 'CHAIN_LENGTH')
    refused([...chain, leaf], 'CHAIN_LENGTH')
  })

  for (const length of [2, 3, 4]) {
    for (let at = 0; at < length; at++) {
      it(`refuses a certificate out of its time at ${at} of ${length}`, () => {
        const later = new Date(DURING.getTime() + 1000)
        const earlier = new Date(DURING.getTime() - 1000)
        refused(withDeviation(length, at, { notBefore: later }), 'NOT_YET_VALID')
        refused(withDeviation(length, at, { notAfter: earlier }), 'EXPIRED')
        const exact = withDeviation(length, at, { notBefore: DURING, notAfter: DURING })
        assert.ok(validateChain(exact, { now: new Date(DURING.getTime() + 999) }), 'the last second counts')
      })

      it(`refuses a wrong signature at ${at} of ${length}`, () => {
        refused(withDeviation(length, at, { strangeSigner: true }), 'SIGNATURE')
      })

      it(`refuses an unknown critical extension at ${at} of ${length}`, () => {
        const unknown = (critical: boolean) => extension(UNKNOWN_EXTENSION, derSequence(), critical)
        refused(withDeviation(length, at, { extensions: [unknown(true)] }), 'CRITICAL_EXTENSION')
        assert.ok(validateChain(withDeviation(length, at, { extensions: [unknown(false)] }), { now }))
      })
    }

    for (let at = 1; at < length; at++) {
      it(`refuses an issuer that is no authority at ${at} of ${length}`, () => {
        refused(withDeviation(length, at, { isAuthority: false }), 'NOT_CA')
        refused(withDeviation(length, at, { keyUsage: SIGN_DATA }), 'NOT_CA')
        assert.ok(validateChain(withDeviation(length, at, { keyUsage: SIGN_CERTIFICATES }), { now }))
      })

      it(`refuses another issuer's name at ${at - 1} of ${length}`, () => {
        refused(withDeviation(length, at - 1, { issuerName: 'somebody else' }), 'ISSUER')
      })

      it(`counts the authorities below ${at} of ${length}`, () => {
        assert.ok(validateChain(withDeviation(length, at, { pathLength: at - 1 }), { now }))
        if (at > 1) refused(withDeviation(length, at, { pathLength: at - 2 }), 'PATH_LENGTH')
      })
    }
  }

  it('does not count self-issued authorities', () => {
    const { chain } = makeChain(3, { 1: { name: 'authority' }, 2: { name: 'authority', pathLength: 0 } })
    assert.ok(validateChain(chain, { now }))
  })

  it('checks dates of a chain that it knows', () => {
    const { chain } = makeChain(2)
    assert.ok(validateChain(chain, { now }))
    assert.throws(() => validateChain(chain, { now: new Date(NOT_BEFORE.getTime() - 1) }), { code: 'NOT_YET_VALID' })
    assert.throws(() => validateChain(chain, { now: new Date(NOT_AFTER.getTime() + 1000) }), { code: 'EXPIRED' })
  })

  it('refuses leaves that cannot sign and bytes that are no certificate', () => {
    const { chain } = makeChain(2)
    const [leaf, identity] = chain
    assert.ok(leaf && identity)
    refused([leaf, new Uint8Array(0)], 'MALFORMED')
    refused([leaf.subarray(0, -1), identity], 'MALFORMED')
    refused([der(TAG.sequence), identity], 'MALFORMED')
    refused([identity, leaf], 'ISSUER')
    refused([leaf, leaf], 'ISSUER')
  })

  it('refuses a leaf whose key cannot sign', () => {
    refused(withDeviation(2, 0, { algorithm: 'x25519' as 'ed25519' }), 'LEAF')
  })

  it('accepts an authority of another algorithm above the identity', () => {
    const { chain } = makeChain(2)
    const identityKey = PrivateKey.generate('ed25519')
    const { root, identity } = underEcdsaRoot(identityKey.publicKey)
    const leaf = issueCertificate({
      issuer: readCertificate(identity).subject,
      subject: readCertificate(chain[0] as Uint8Array).subject,
      publicKey: PrivateKey.generate('ed25519').publicKey,
      signingKey: identityKey,
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      extensions: [],
    })
    assert.ok(validateChain([leaf, identity, root], { keyHash: fingerprint(identity), now }))
    const other = underEcdsaRoot(identityKey.publicKey)
    refused([leaf, identity, other.root], 'SIGNATURE')
  })

  it('refuses every changed byte of a pinned chain', () => {
    const { chain } = makeChain(2)
    const keyHash = fingerprint(chain[1] as Uint8Array)
    fc.assert(
      fc.property(fc.nat(1), fc.nat(), fc.integer({ min: 1, max: 255 }), (at, position, change) => {
        const changed = chain.map((certificate) => new Uint8Array(certificate))
        const bytes = changed[at] as Uint8Array
        const i = position % bytes.length
        bytes[i] = (bytes[i] as number) ^ change
        assert.throws(() => validateChain(changed, { keyHash, now }), CertificateError)
      }),
      { numRuns: 500 },
    )
  })

  it('throws only CertificateError for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (chain) => {
        assert.throws(() => validateChain(chain, { now }), CertificateError)
      }),
    )
  })
})
