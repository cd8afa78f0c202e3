import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerKey } from '@parley/acn/record'
import {
  DER_TAG,
  der,
  derBitString,
  derObjectIdentifier,
  derSequence,
  derTime,
  distinguishedName,
  extension,
  fromPem,
} from '@parley/core/certificates'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { createHostCertificate, readPeerCertificate, signedBytes } from '../../../src/peer/tls/certificate.ts'
import { certificateOf, peerOfCertificate } from '../../../src/peer/tls/peer-identity.ts'

const KEY = new PeerKey(Buffer.alloc(32, 7))
const LIBP2P = '1.3.6.1.4.1.53594.1.1'
const HOUR = 3_600_000

async function ownCertificate(): Promise<Uint8Array> {
  const { cert } = await certificateOf(privateKeyFromRaw(KEY.exportPrivateKey()))
  return fromPem('CERTIFICATE', cert)[0] ?? new Uint8Array()
}

interface Parts {
  extensions?: (spki: Uint8Array) => Uint8Array[]
  from?: number
  to?: number
  wrongSignature?: boolean
}

/** A certificate made by hand, to have in it what ours never has. */
function handmade({ extensions = (spki) => [proof(spki)], from = -HOUR, to = HOUR, wrongSignature }: Parts = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const algorithm = derSequence(derObjectIdentifier('1.2.840.10045.4.3.2'))
  const name = distinguishedName(['2.5.4.3', 'test'])
  const body = derSequence(
    der(DER_TAG.context(0), der(DER_TAG.integer, Uint8Array.of(2))),
    der(DER_TAG.integer, Uint8Array.of(1)),
    algorithm,
    name,
    derSequence(derTime(new Date(Date.now() + from)), derTime(new Date(Date.now() + to))),
    name,
    spki,
    der(DER_TAG.context(3), derSequence(...extensions(spki))),
  )
  const signed = wrongSignature ? Buffer.concat([body, Buffer.of(0)]) : body
  return derSequence(body, algorithm, derBitString(sign('sha256', signed, privateKey)))
}

function proof(spki: Uint8Array, { critical = false, key = KEY, message = signedBytes(spki) } = {}): Uint8Array {
  const hostKey = Buffer.concat([Buffer.from('08021221', 'hex'), key.publicKey])
  const value = derSequence(der(DER_TAG.octetString, hostKey), der(DER_TAG.octetString, key.sign(message)))
  return extension(LIBP2P, value, critical)
}

describe('certificate of a host', () => {
  test('proves the host key, in an extension that is not critical', async () => {
    const bytes = await ownCertificate()
    assert.equal((await peerOfCertificate(bytes)).toString(), KEY.peerId)
    const text = Buffer.from(bytes).toString('hex')
    assert.ok(text.includes(Buffer.from(derObjectIdentifier(LIBP2P)).toString('hex')))
    assert.ok(!text.includes('0101ff'), 'no critical extension')
  })

  test('of other kinds of host keys is understood', async () => {
    const key = await generateKeyPair('Ed25519')
    const { cert } = await createHostCertificate(async (message) => ({
      hostKey: Buffer.concat([Buffer.from('08011220', 'hex'), key.publicKey.raw]),
      signature: await key.sign(message),
    }))
    const peer = await peerOfCertificate(fromPem('CERTIFICATE', cert)[0] ?? new Uint8Array())
    assert.equal(peer.toString(), peerIdFromPrivateKey(key).toString())
  })

  test('is taken with a critical libp2p extension, as others make it, and with unknown ones that are not', async () => {
    for (const extensions of [
      (spki: Uint8Array) => [proof(spki, { critical: true })],
      (spki: Uint8Array) => [extension('1.2.3.4', Buffer.of(5, 0)), proof(spki)],
    ]) {
      assert.equal((await peerOfCertificate(handmade({ extensions }))).toString(), KEY.peerId)
    }
  })

  const refused: [string, Parts][] = [
    ['expired', { to: -1000 }],
    ['not valid yet', { from: HOUR / 2 }],
    ['not signed by its own key', { wrongSignature: true }],
    ['without the extension', { extensions: () => [extension('1.2.3.4', Buffer.of(5, 0))] }],
    ['with the extension twice', { extensions: (spki) => [proof(spki), proof(spki)] }],
    [
      'with an unknown critical extension',
      { extensions: (spki) => [proof(spki), extension('1.2.3.4', Buffer.of(5, 0), true)] },
    ],
    ['whose proof is of another key', { extensions: (spki) => [proof(spki, { message: signedBytes(Buffer.of(1)) })] }],
    ['whose proof is not DER', { extensions: () => [extension(LIBP2P, Buffer.of(1, 2, 3))] }],
    [
      'whose host key is none',
      {
        extensions: () => [
          extension(
            LIBP2P,
            derSequence(der(DER_TAG.octetString, Buffer.of(9)), der(DER_TAG.octetString, Buffer.of(9))),
          ),
        ],
      },
    ],
  ]
  for (const [what, parts] of refused) {
    test(`${what} is refused`, async () => {
      await assert.rejects(peerOfCertificate(handmade(parts)), DecodeError)
    })
  }

  test('arbitrary and mutated bytes are refused with a decoding error or prove the same peer', async () => {
    const bytes = await ownCertificate()
    const changed = fc
      .tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, by]) => bytes.map((byte, i) => (i === at ? byte ^ by : byte)))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 100 }), changed), async (input) => {
        try {
          assert.equal((await peerOfCertificate(input)).toString(), KEY.peerId)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('one that is too long is not looked at', () => {
    assert.throws(() => readPeerCertificate(new Uint8Array(20_000)), /too long/)
  })
})
