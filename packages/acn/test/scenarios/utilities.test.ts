import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createSessionCertificate } from '@parley/acn/delegate'
import { JoinError } from '@parley/acn/peer'
import {
  agentCid,
  decodeEnvelope,
  encodeEnvelope,
  encodeFrame,
  FrameDecoder,
  formatPeerAddress,
  parsePeerAddress,
  peerIdBytes,
  peerIdOf,
  peerPublicKeyFromHex,
} from '@parley/acn/protocol'
import { LEDGERS, ledgerOf, PeerKey, verifySessionCertificate } from '@parley/acn/record'
import { peerSettings, startNode } from '../node/network.ts'
import { entryOf, TestPeer } from '../peer/test-peer.ts'

// Keys, addresses and signatures are those of the originals' tests.
const FETCHAI_KEY = '02358e3e42a6ba15cf6b2ba6eb05f02b8893acf82b316d7dd9cda702b0892b8c71'
const FETCHAI_ADDRESS = 'fetch19dq2mkcpp6x0aypxt9c9gz6n4fqvax0x9a7t5r'
const PRIVATE_KEY = Buffer.from('3e7a1f43b2d8a4b9f63a2ffeb1d597f971a8db7ffd95453173268b453106cadc', 'hex')
const PUBLIC_KEY = '03b7e977f498dce004e2614764ff576e17cc6691135497e7bcb5d3441e816ba9e1'

test('the address of a fetchai key, and a signature that a Python agent made', () => {
  const fetchai = ledgerOf('fetchai') ?? assert.fail()
  assert.equal(fetchai.addressOf(FETCHAI_KEY), FETCHAI_ADDRESS)
  const peerKey = Buffer.from('027af21aff853b9d9589867ea142b0a60a9611fc8e1fae04c2f7144113fa4e938e')
  const signature = 'N/GOa7/m3HU8/gpLJ88VCQ6vXsdrfiiYcqnNtF+c2N9VG9ZIiycykN4hdbpbOCGrChMYZQA3G1GpozsShrUBgg=='
  assert.ok(fetchai.verify(FETCHAI_KEY, peerKey, signature))
  assert.ok(!fetchai.verify(FETCHAI_KEY, Buffer.from('another'), signature))
})

test('the address of an ethereum key, and a signature that a Python agent made of the text of its key', () => {
  const ethereum = ledgerOf('ethereum') ?? assert.fail()
  const publicKey =
    '0xf753e5a9e2368e97f4db869a0d956d3ffb64672d6392670572906c786b5712ada13b6bff882951b3ba3dd65bdacc915c2b532efc3f183aa44657205c6c337225'
  const signature =
    '0x304c2ba4ae7fa71295bfc2920b9c1268d574d65531f1f4d2117fc1439a45310c37ab75085a9df2a4169a4d47982b330a4387b1ded0c8881b030629db30bbaf3a1c'
  assert.equal(ethereum.addressOf(publicKey), '0xb8d8c62d4a1999b7aea0aebBD5020244a4a9bAD8')
  assert.ok(ethereum.verify(publicKey, Buffer.from(publicKey), signature))
  assert.ok(!ethereum.verify(publicKey, Buffer.from('another'), signature))
})

test('the public key of a private key, addresses of it on each ledger, what it signs it verifies', () => {
  assert.equal(new PeerKey(PRIVATE_KEY).publicKeyHex, PUBLIC_KEY)
  const message = Buffer.from('somebytes')
  for (const ledger of LEDGERS) {
    const publicKey = ledger.publicKeyOf(PRIVATE_KEY)
    assert.ok(ledger.addressOf(publicKey))
    assert.ok(ledger.verify(publicKey, message, ledger.sign(PRIVATE_KEY, message)))
  }
  assert.equal(ledgerOf('fetchai')?.publicKeyOf(PRIVATE_KEY), PUBLIC_KEY)
})

test('the peer id of a public key, compressed', () => {
  assert.equal(peerIdOf(peerPublicKeyFromHex(PUBLIC_KEY)), new PeerKey(PRIVATE_KEY).peerId)
  const x = '50863ad64a87ae8a2fe83c1af1a8403cb53f53e486d8511dad8a04887e5b2352'
  const bytes = peerIdBytes(peerPublicKeyFromHex(`02${x}`))
  assert.equal(Buffer.from(bytes).toString('hex'), `002508021221${`02${x}`}`)
  assert.throws(() => peerPublicKeyFromHex('some'))
})

test('the content id of an address', () => {
  assert.equal(agentCid(FETCHAI_ADDRESS), 'QmZ6ryKyS9rSnesX8YnFLAmFwFuRMdHpE7pQ2V6SjXTbqM')
})

test('a multiaddr of an entry peer is read', () => {
  const text = '/dns4/acn.fetch.ai/tcp/9001/p2p/16Uiu2HAmVWnopQAqq4pniYLw44VRvYxBUoRHqjz1Hh2SoCyjbyRW'
  const address = parsePeerAddress(text)
  assert.deepEqual([address.host, address.port], ['acn.fetch.ai', 9001])
  assert.equal(formatPeerAddress(address), text)
})

test('a frame, and an envelope in one, as they are on the wire', () => {
  assert.equal(Buffer.from(encodeFrame(Buffer.from('hello'))).toString('hex'), '0000000568656c6c6f')
  const address = '0xb8d8c62d4a1999b7aea0aebBD5020244a4a9bAD8'
  const envelope = { to: address, sender: address, protocolId: '', message: new Uint8Array(), uri: '' }
  const decoder = new FrameDecoder()
  decoder.push(encodeFrame(encodeEnvelope(envelope)))
  assert.equal(decodeEnvelope(decoder.next() ?? assert.fail()).to, address)
})

test('a certificate stands with the signature of its own peer, not with that of another', () => {
  const [one, other] = [new PeerKey(randomBytes(32)), new PeerKey(randomBytes(32))]
  const { certificate, signature } = createSessionCertificate(one)
  assert.ok(verifySessionCertificate(one.publicKey, certificate, signature))
  const { signature: another } = createSessionCertificate(other)
  assert.ok(!verifySessionCertificate(one.publicKey, certificate, another))
})

test('joining waits until the entry peer is in the routing table; with no entry peer in reach it fails', async (t) => {
  const entry = await startNode(t, peerSettings())
  const peer = await TestPeer.start({ entryPeers: [entry.multiaddr ?? ''] })
  t.after(() => peer.stop())
  await peer.host.join(AbortSignal.timeout(10_000))
  assert.equal(peer.host.knownPeers, 1)
  // Somebody listens there who is no peer.
  const delegates = { ...entryOf(entry.multiaddr ?? ''), port: entry.delegatePort ?? 0 }
  const lost = await TestPeer.start({ entryPeers: [formatPeerAddress(delegates)], timeouts: { dial: 300 } })
  t.after(() => lost.stop())
  await assert.rejects(lost.host.join(AbortSignal.timeout(10_000)), JoinError)
})
