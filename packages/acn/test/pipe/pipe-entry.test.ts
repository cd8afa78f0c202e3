import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { EntryHandler, WireReport } from '@parley/acn/entrance'
import { NodePipe, PipeEntry } from '@parley/acn/pipe'
import { encodeAcnMessage, encodeFrame, STATUS, type StatusBody, statusMessage } from '@parley/acn/protocol'
import { agent, envelopeBytes, until } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

const alice = agent(11)
const bob = agent(12)
const ok: StatusBody = { code: STATUS.SUCCESS, msgs: [] }
const never = new AbortController().signal

class Recorder implements EntryHandler {
  readonly envelopes: { readonly id: string | undefined; readonly bytes: Uint8Array }[] = []
  readonly reports: WireReport[] = []

  async onEnvelope(bytes: Uint8Array, id: string | undefined): Promise<StatusBody> {
    this.envelopes.push({ id, bytes })
    return ok
  }

  async onReport(report: WireReport): Promise<void> {
    this.reports.push(report)
  }
}

async function listening(t: TestContext, options = {}): Promise<PipeEntry> {
  const entry = await PipeEntry.listen(options)
  t.after(() => entry.close())
  return entry
}

test('a Parley agent and its node know envelopes by their ids from the first one on', async (t) => {
  const entry = await listening(t)
  const node = new MemoryNode()
  const id = node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  const recorder = new Recorder()
  const connecting = entry.connect(recorder, never)
  const pipe = await NodePipe.connect({ port: entry.port, record: alice.record, handler: node })
  t.after(() => pipe.close())
  const connection = await connecting
  assert.ok(connection.isParley)
  assert.ok(connection.window > 1)
  assert.ok(connection.maxEnvelopeLength > 3_000_000)
  await until(() => recorder.envelopes.length === 1)
  assert.equal(recorder.envelopes[0]?.id, id)
  const own = node.newId()
  node.queue(bob.address)
  assert.deepEqual(await connection.send(envelopeBytes(alice.address, bob.address), own), ok)
  assert.equal(node.submissions[0]?.id, own)
  assert.ok(node.sessions[0]?.isParley)
})

test('a Parley agent hears errors and reports', async (t) => {
  const entry = await listening(t)
  const node = new MemoryNode()
  const recorder = new Recorder()
  const connecting = entry.connect(recorder, never)
  const pipe = await NodePipe.connect({ port: entry.port, record: alice.record, handler: node })
  t.after(() => pipe.close())
  const connection = await connecting
  const id = node.newId()
  const status = await connection.send(envelopeBytes(alice.address, 'nobody'), id)
  assert.equal(status.code, STATUS.ERROR_UNKNOWN_AGENT_ADDRESS)
  const report = { envelopeId: id, to: 'nobody', reason: 'expired', at: 1_700_000_000_000 } as const
  node.queue(alice.address).add({ id: node.newId(), report, isOut: false })
  await until(() => recorder.reports.length === 1)
  assert.deepEqual(recorder.reports[0], report)
  await until(() => node.queue(alice.address).waiting.length === 0)
})

test('with a node that is not Parley it says so once, waits for each answer, and keeps to what that node takes', async (t) => {
  const entry = await listening(t)
  const recorder = new Recorder()
  const connecting = entry.connect(recorder, never)
  const node = await FramePeer.tcp(entry.port)
  t.after(() => node.destroy())
  const hello = await node.next()
  assert.deepEqual(hello, { type: 'register' })
  assert.equal(node.frames.size, 0)
  node.send(statusMessage(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected ACN Message'))
  const connection = await connecting
  assert.equal(connection.isParley, false)
  assert.equal(connection.window, 1)
  assert.ok(connection.maxEnvelopeLength < 65_536)
  const bytes = envelopeBytes(alice.address, bob.address)
  const sent = connection.send(bytes, '0'.repeat(32))
  // Byte for byte what other programs send.
  assert.deepEqual(await node.frames.take(), encodeAcnMessage({ type: 'aeaEnvelope', envelope: bytes }))
  node.send(SUCCESS)
  assert.deepEqual(await sent, ok)
  const given = encodeAcnMessage({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, alice.address) })
  node.sendRaw(encodeFrame(given))
  assert.equal(await node.status(), STATUS.SUCCESS)
  assert.equal(recorder.envelopes[0]?.id, undefined)
})

test('of two connections the newer one counts', async (t) => {
  const entry = await listening(t)
  const connecting = entry.connect(new Recorder(), never)
  const first = await FramePeer.tcp(entry.port)
  await first.next()
  first.send(SUCCESS)
  const connection = await connecting
  const second = await FramePeer.tcp(entry.port)
  t.after(() => second.destroy())
  await connection.closed
  const again = entry.connect(new Recorder(), never)
  assert.equal((await second.next())?.type, 'register')
  second.send(SUCCESS)
  assert.equal((await again).isParley, false)
})

test('a node that does not come, or does not answer, is not waited for', async (t) => {
  const entry = await listening(t, { connectTimeoutMs: 30 })
  await assert.rejects(entry.connect(new Recorder(), never), { name: 'AcnConnectionError', code: 'TIMEOUT' })
  const stop = new AbortController()
  const aborted = entry.connect(new Recorder(), stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
})

test('no status in time ends the connection', async (t) => {
  const entry = await listening(t, { statusTimeoutMs: 40 })
  const connecting = entry.connect(new Recorder(), never)
  const node = await FramePeer.tcp(entry.port)
  t.after(() => node.destroy())
  await node.next()
  node.send(SUCCESS)
  const connection = await connecting
  const sent = connection.send(envelopeBytes(alice.address, bob.address), '0'.repeat(32))
  await assert.rejects(sent, { name: 'AcnConnectionError', code: 'TIMEOUT' })
  await connection.closed
})
