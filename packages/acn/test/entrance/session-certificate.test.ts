import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createSessionCertificate } from '@parley/acn/delegate'
import { sessionPoint, verifySessionCertificate } from '@parley/acn/record'
import { DER_TAG, DerReader } from '@parley/core/certificates'
import { otherPeerKey, peerKey } from './agents.ts'

const vectors = new URL('../../../../test/vectors/', import.meta.url)
const recorded: { tls: { certDerHex: string } } = JSON.parse(readFileSync(new URL('acn-mailbox.json', vectors), 'utf8'))

/** The parts of a certificate without what differs each time: times, key, key's name and signature. */
function shape(der: Uint8Array): string[] {
  const body = DerReader.of(DerReader.of(new DerReader(der).next(DER_TAG.sequence)).next(DER_TAG.sequence))
  const parts: string[] = []
  while (!body.isAtEnd) {
    const part = body.next()
    const text = Buffer.from(part.bytes).toString('hex')
    const isTimes = part.content[0] === 0x17
    const isKey = text.includes('2a8648ce3d0201')
    if (isTimes) continue
    if (isKey) parts.push(text.slice(0, 54))
    // The last extension ends with the key's name.
    else if (part.tag === DER_TAG.context(3)) parts.push(text.slice(0, -40))
    else parts.push(text)
  }
  return parts
}

test("the certificate has the form of the Go node's", () => {
  const { certificate } = createSessionCertificate(peerKey)
  assert.deepEqual(shape(certificate), shape(Buffer.from(recorded.tls.certDerHex, 'hex')))
})

test('it is its own authority, for a year, and signed by the peer', () => {
  const now = new Date('2026-11-22T10:00:00Z')
  const { certificate, signature, point } = createSessionCertificate(peerKey, now)
  const x509 = new X509Certificate(certificate)
  assert.ok(x509.verify(x509.publicKey))
  assert.ok(x509.ca)
  assert.equal(new Date(x509.validFrom).getTime(), now.getTime())
  assert.equal(new Date(x509.validTo).getTime() - now.getTime(), 365 * 24 * 3_600_000)
  assert.deepEqual(sessionPoint(certificate), point)
  assert.ok(verifySessionCertificate(peerKey.publicKey, certificate, signature))
  assert.ok(!verifySessionCertificate(otherPeerKey.publicKey, certificate, signature))
})

test('each has a key of its own', () => {
  assert.notDeepEqual(createSessionCertificate(peerKey).point, createSessionCertificate(peerKey).point)
})
