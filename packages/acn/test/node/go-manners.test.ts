// What a node of ours does so that Go nodes, with the faults they have, get on with it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL } from '@parley/acn/peer'
import {
  type AcnMessage,
  type AgentRecord,
  decodeEnvelope,
  encodeAcnMessage,
  STATUS,
  SUCCESS_BYTES,
} from '@parley/acn/protocol'
import { verifyRepresentation } from '@parley/acn/record'
import { BoundedQueue } from '@parley/core/queue'
import { BarePeer } from '../peer/host/bare-peer.ts'
import { newRecord } from '../peer/test-peer.ts'
import { numbered, peerSettings, startNode, TestAgent } from './network.ts'

/** A node of ours with a sender, and a peer that answers look-ups as a Go node does: it leaves its half open. */
async function besideGo(t: TestContext) {
  const node = await startNode(t, peerSettings(), { host: { timeouts: { linger: 100 } } })
  const peer = await BarePeer.start()
  t.after(() => peer.stop())
  const sender = await TestAgent.delegate(t, node)
  const record = newRecord(peer.key.publicKeyHex)
  const streams = { opened: 0, ended: new BoundedQueue<void>(1_000) }
  const count = (stream: EventTarget) => {
    streams.opened++
    stream.addEventListener('close', () => streams.ended.tryPut())
  }
  await peer.answer(ADDRESS_PROTOCOL, (_, stream) => {
    count(stream)
    return encodeAcnMessage({ type: 'lookupResponse', record })
  })
  await peer.provide(node.multiaddr ?? '', record.address)
  return { node, peer, sender, record, streams, count }
}

function wordsOf(message: AcnMessage): string {
  assert.ok(message.type === 'aeaEnvelope')
  return Buffer.from(decodeEnvelope(message.envelope).message).toString()
}

test('an envelope to another peer carries the record of its sender, for the sending peer', async (t) => {
  const { node, peer, sender, record } = await besideGo(t)
  const received = new BoundedQueue<AgentRecord>(10)
  await peer.answer(ENVELOPE_PROTOCOL, (message) => {
    if (message.type === 'aeaEnvelope' && message.record) received.tryPut(message.record)
    return SUCCESS_BYTES
  })
  await sender.send(record.address, 'with a record')
  const carried = await received.take()
  assert.ok(carried)
  const representativePublicKey = node.key.publicKeyHex
  verifyRepresentation(carried, { expectedAddress: sender.address, representativePublicKey })
})

test('streams that the other peer never closes are ended, with look-ups at once and with envelopes after a while', async (t) => {
  const { peer, sender, record, streams, count } = await besideGo(t)
  await peer.answer(ENVELOPE_PROTOCOL, (_, stream) => {
    count(stream)
    return SUCCESS_BYTES
  })
  for (const word of numbered(20)) assert.equal(await sender.send(record.address, word), STATUS.SUCCESS)
  for (let ended = 0; ended < 21; ended++) await streams.ended.take()
  assert.equal(streams.opened, 21)
})

test('twenty envelopes for one agent need one look-up', async (t) => {
  const { peer, sender, record, streams } = await besideGo(t)
  const received = new BoundedQueue<string>(100)
  await peer.answer(ENVELOPE_PROTOCOL, (message) => {
    received.tryPut(wordsOf(message))
    return SUCCESS_BYTES
  })
  const words = numbered(20)
  for (const word of words) assert.equal(await sender.send(record.address, word), STATUS.SUCCESS)
  for (const word of words) assert.equal(await received.take(), word)
  assert.equal(streams.opened, 1)
})

test('an envelope whose stream is reset, as relays do after 128 KiB, is sent again, and those behind it wait', async (t) => {
  const { peer, sender, record } = await besideGo(t)
  const received = new BoundedQueue<string>(100)
  let streams = 0
  await peer.answer(ENVELOPE_PROTOCOL, (message) => {
    if (++streams % 3 === 0) return undefined
    received.tryPut(wordsOf(message))
    return SUCCESS_BYTES
  })
  const words = numbered(10)
  for (const word of words) assert.equal(await sender.send(record.address, word), STATUS.SUCCESS)
  for (const word of words) assert.equal(await received.take(), word)
  assert.equal(streams, 14)
})

test('a peer that does not know the agent yet is asked again, and an envelope that it refuses for now is kept', async (t) => {
  const { peer, sender, record } = await besideGo(t)
  const received = new BoundedQueue<string>(100)
  const unknown = { code: STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, msgs: ['unknown agent address'] }
  const notReady = { code: STATUS.ERROR_AGENT_NOT_READY, msgs: [] }
  const refusals = [unknown, notReady].map((body) => encodeAcnMessage({ type: 'status', body }))
  await peer.answer(ENVELOPE_PROTOCOL, (message) => {
    const refusal = refusals.shift()
    if (refusal) return refusal
    received.tryPut(wordsOf(message))
    return SUCCESS_BYTES
  })
  for (const word of ['one', 'two']) assert.equal(await sender.send(record.address, word), STATUS.SUCCESS)
  assert.deepEqual([await received.take(), await received.take()], ['one', 'two'])
})
