import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentError } from '@parley/agent'
import { eventLine } from '../../src/jsonl/event-lines.ts'

const brokerTs = new Date('2026-01-02T03:04:05.000Z')

test('a message has its body in base64, its text when that is UTF-8, and "ok" for good integrity', () => {
  const event = {
    event: 'MSG',
    connId: 'c',
    msgId: 3,
    integrity: { type: 'ok' },
    pq: true,
    notification: true,
  } as const
  assert.deepEqual(eventLine({ ...event, body: Buffer.from('hej då'), brokerTs }), {
    ...event,
    integrity: 'ok',
    body: 'aGVqIGTDpQ==',
    text: 'hej då',
    brokerTs: '2026-01-02T03:04:05.000Z',
  })
  const binary = eventLine({ ...event, body: Uint8Array.of(0xff, 0xfe), brokerTs })
  assert.equal(binary.body, '//4=')
  assert.equal('text' in binary, false)
})

test('a fault of integrity is an object that names it', () => {
  const integrity = { type: 'skipped', fromMsgId: 5, toMsgId: 7 } as const
  const line = eventLine({
    event: 'RCVD',
    connId: 'c',
    msgId: 4,
    integrity,
    receipts: [{ msgId: 2, status: 'ok' }],
    brokerTs,
  })
  assert.deepEqual(line.integrity, integrity)
  assert.deepEqual(line.receipts, [{ msgId: 2, status: 'ok' }])
})

test('information about the peer is text', () => {
  const line = eventLine({
    event: 'CONF',
    connId: 'c',
    confId: 'f',
    info: Buffer.from('Bob'),
    pq: false,
    servers: ['smp://a'],
  })
  assert.deepEqual(line, { event: 'CONF', connId: 'c', confId: 'f', info: 'Bob', pq: false, servers: ['smp://a'] })
})

test('the keys of a request are named in base64', () => {
  const line = eventLine({
    event: 'REQ',
    connId: 'c',
    invId: 'i',
    info: Buffer.from('Bob'),
    pq: true,
    servers: [],
    keyAgreement: new Uint8Array(32).fill(1),
  })
  assert.equal(line.keyAgreement, Buffer.alloc(32, 1).toString('base64'))
})

test('errors have the tagged form of the original', () => {
  const error = new AgentError({ type: 'SMP', server: 'smp://a', error: { type: 'AUTH' } })
  assert.deepEqual(eventLine({ event: 'MERR', connId: 'c', msgId: 1, error }), {
    event: 'MERR',
    connId: 'c',
    msgId: 1,
    error: { type: 'SMP', serverAddress: 'smp://a', smpErr: { type: 'AUTH' } },
  })
})

test('fields that are absent are left out', () => {
  const error = new AgentError({ type: 'INACTIVE' })
  assert.deepEqual(eventLine({ event: 'ERR', error }), { event: 'ERR', error: { type: 'INACTIVE' } })
})
