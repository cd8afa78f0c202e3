import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEnvelope, STATUS } from '@parley/acn/protocol'
import { verifySessionCertificate } from '@parley/acn/record'
import { agent, envelopeBytes, otherPeerKey, peerKey } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { delegateNode, registered } from './delegate-fixture.ts'

const alice = agent(11)
const bob = agent(12, 'ethereum')

test("the first frame is the peer key's signature of the certificate", async (t) => {
  const { server, certificate } = await delegateNode(t)
  const peer = await FramePeer.tls(server.port)
  t.after(() => peer.destroy())
  const signature = await peer.frames.take()
  assert.ok(signature)
  const shown = (peer.socket as import('node:tls').TLSSocket).getPeerX509Certificate()?.raw
  assert.ok(shown)
  assert.ok(shown.equals(certificate.certificate))
  assert.ok(verifySessionCertificate(peerKey.publicKey, shown, signature))
  assert.ok(!verifySessionCertificate(otherPeerKey.publicKey, shown, signature))
})

test('envelopes go both ways and each is answered with a status', async (t) => {
  const { server } = await delegateNode(t)
  const a = await registered(t, server.port, alice.record)
  const b = await registered(t, server.port, bob.record)
  assert.equal(server.agents, 2)
  const bytes = envelopeBytes(alice.address, bob.address)
  a.send({ type: 'aeaEnvelope', envelope: bytes })
  assert.equal(await a.status(), STATUS.SUCCESS)
  const got = await b.next()
  assert.ok(got?.type === 'aeaEnvelope')
  assert.deepEqual(new Uint8Array(got.envelope), bytes)
  assert.equal(got.record, undefined)
  b.send(SUCCESS)
})

test('a client that is not Parley gets the next envelope when it has answered the one before', async (t) => {
  const { server, node } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  for (const text of ['one', 'two']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, text))
  const first = await peer.next()
  assert.ok(first?.type === 'aeaEnvelope')
  assert.equal(Buffer.from(decodeEnvelope(first.envelope).message).toString(), 'one')
  assert.equal(peer.frames.size, 0)
  peer.send(SUCCESS)
  const second = await peer.next()
  assert.ok(second?.type === 'aeaEnvelope')
  assert.equal(Buffer.from(decodeEnvelope(second.envelope).message).toString(), 'two')
  // Once more than there are envelopes: the stray one changes nothing.
  peer.send(SUCCESS)
  peer.send(SUCCESS)
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, alice.address, 'three') })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  const third = await peer.next()
  assert.equal(third?.type, 'aeaEnvelope')
})
