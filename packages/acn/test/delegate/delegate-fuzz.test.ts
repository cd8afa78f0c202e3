import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExtended } from '@parley/acn/entrance'
import { type AcnMessage, encodeAcnMessage, encodeFrame, STATUS } from '@parley/acn/protocol'
import fc from 'fast-check'
import { agent, envelopeBytes } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { delegateNode, registered } from './delegate-fixture.ts'

const alice = agent(11)
const bob = agent(12)

const envelope = envelopeBytes(alice.address, alice.address)
const messages: AcnMessage[] = [
  { type: 'register', record: alice.record },
  { type: 'register' },
  { type: 'aeaEnvelope', envelope },
  { type: 'aeaEnvelope', envelope, record: alice.record },
  { type: 'aeaEnvelope', envelope: new Uint8Array() },
  { type: 'lookupRequest', agentAddress: alice.address },
  { type: 'lookupResponse' },
  { type: 'status' },
  { type: 'status', body: { code: 77, msgs: ['x'] } },
  { type: 'empty' },
]
const extension = {
  capabilities: 7,
  window: 9,
  id: '0'.repeat(32),
  challenge: new Uint8Array(32),
  challengeAnswer: 'x',
}
const frames = [
  ...messages.map((message) => encodeFrame(encodeAcnMessage(message))),
  ...messages.map((message) => encodeFrame(encodeExtended(message, extension))),
]

/** Frames as they should be, with bytes of theirs changed, cut off, or something else altogether. */
const mutated = fc
  .tuple(fc.constantFrom(...frames), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(20))
  .map(([frame, changes, cut]) => {
    const bytes = Uint8Array.from(frame)
    for (const [at, value] of changes) bytes[at % bytes.length] = value
    return cut === 0 ? bytes.subarray(0, bytes.length >> 1) : bytes
  })
const input = fc.array(fc.oneof({ weight: 4, arbitrary: mutated }, { weight: 1, arbitrary: fc.uint8Array() }), {
  minLength: 1,
  maxLength: 6,
})

test('whatever is sent, before a registration or after it, ends one connection at most', {
  timeout: 60_000,
}, async (t) => {
  const { server, node, errors } = await delegateNode(t, { timeouts: { registrationMs: 500 } })
  node.queue(alice.address)
  const other = await registered(t, server.port, bob.record)
  await fc.assert(
    fc.asyncProperty(fc.boolean(), input, async (isRegistered, sent) => {
      const peer = isRegistered ? await registered(t, server.port, alice.record) : await FramePeer.tls(server.port)
      for (const bytes of sent) peer.sendRaw(bytes)
      peer.socket.end()
      await peer.ended()
      other.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, alice.address) })
      assert.equal(await other.status(), STATUS.SUCCESS)
    }),
    { numRuns: 100 },
  )
  assert.deepEqual(errors, [])
})
