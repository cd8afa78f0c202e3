import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  PeerKey,
  sessionPoint,
  signSessionPoint,
  verifyPeerSignature,
  verifySessionCertificate,
} from '@parley/acn/record'
import { createRouterCertificates } from '@parley/core/certificates'
import { DecodeError } from '@parley/core/encoding'

const mailbox = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/acn-mailbox.json', import.meta.url), 'utf8'),
) as { tls: { certDerHex: string } }
/** A node's real P-256 certificate. */
const certificate = Buffer.from(mailbox.tls.certDerHex, 'hex')

const peer = new PeerKey(Buffer.alloc(32, 1))
const other = new PeerKey(Buffer.alloc(32, 2))

describe('session certificate', () => {
  const signature = signSessionPoint(peer, sessionPoint(certificate))

  test('stands with the signature of its own peer only', () => {
    assert.ok(signature.length >= 68 && signature.length <= 72)
    assert.ok(verifySessionCertificate(peer.publicKey, certificate, signature))
    assert.ok(!verifySessionCertificate(other.publicKey, certificate, signature))
  })

  test('falls with any change of the signature', () => {
    for (let at = 0; at < signature.length; at++) {
      const changed = Uint8Array.from(signature, (byte, i) => (i === at ? byte ^ 1 : byte))
      assert.ok(!verifySessionCertificate(peer.publicKey, certificate, changed), `byte ${at}`)
    }
    for (const length of [0, 1, 64, signature.length - 1]) {
      assert.ok(!verifySessionCertificate(peer.publicKey, certificate, signature.subarray(0, length)))
    }
  })

  test('what is no certificate, or of another kind of key, is not signed', () => {
    const ed25519 = createRouterCertificates({ algorithm: 'ed25519', commonName: 'node' }).serverCertificate
    for (const bytes of [new Uint8Array(), Buffer.from('certificate'), certificate.subarray(0, 100), ed25519]) {
      assert.throws(() => sessionPoint(bytes), DecodeError)
      assert.ok(!verifySessionCertificate(peer.publicKey, bytes, signature))
    }
  })

  test('a peer key that is none has signed nothing', () => {
    for (const key of [new Uint8Array(), new Uint8Array(33), Buffer.alloc(33, 0xff)]) {
      assert.ok(!verifySessionCertificate(key, certificate, signature))
    }
  })

  test('only a whole point is signed', () => {
    assert.throws(() => signSessionPoint(peer, new Uint8Array(64)), TypeError)
    assert.throws(() => signSessionPoint(peer, new Uint8Array(65)), TypeError)
  })
})

describe('peer key', () => {
  test('shows its public side, keeps its own copy, signs alike each time', () => {
    const privateKey = Buffer.alloc(32, 9)
    const key = new PeerKey(privateKey)
    const signature = key.sign(Buffer.from('message'))
    privateKey.fill(0)
    assert.deepEqual(key.sign(Buffer.from('message')), signature)
    assert.deepEqual(Buffer.from(key.exportPrivateKey()), Buffer.alloc(32, 9))
    assert.ok(verifyPeerSignature(key.publicKey, Buffer.from('message'), signature))
    assert.ok(!JSON.stringify(key).includes('0909'))
  })

  test('keys of node:crypto sign what it verifies', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    const { d } = pair.privateKey.export({ format: 'jwk' })
    const key = new PeerKey(Buffer.from(String(d), 'base64url'))
    assert.ok(verifyPeerSignature(key.publicKey, Buffer.from('m'), sign('sha256', Buffer.from('m'), pair.privateKey)))
  })
})

describe('a secret that two peers share', () => {
  test('is the same from both sides, and another for each pair', () => {
    const third = new PeerKey(Buffer.alloc(32, 3))
    const secret = peer.shareSecret(other.publicKey)
    assert.equal(secret?.length, 32)
    assert.deepEqual(other.shareSecret(peer.publicKey), secret)
    assert.notDeepEqual(third.shareSecret(peer.publicKey), secret)
  })

  test('does not exist with what is no key', () => {
    const notOnCurve = Uint8Array.of(2, ...new Uint8Array(32).fill(0xff))
    for (const key of [new Uint8Array(), new Uint8Array(33), notOnCurve]) assert.equal(peer.shareSecret(key), undefined)
  })
})
