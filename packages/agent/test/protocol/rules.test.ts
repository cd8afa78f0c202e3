import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  acceptsClientVersion,
  agreeConnectionVersions,
  CLIENT_CONFIRMATION_LENGTH,
  CLIENT_MESSAGE_LENGTH,
  maxMessageBodyLength,
  paddedAgentMessageLength,
  paddedConnInfoLength,
  pqSupported,
  raisedAgentVersion,
} from '@parley/agent/protocol'
import { encryptBody, encryptHeader } from '@parley/agent/ratchet'
import { checkMsgIntegrity, formatMsgIntegrity } from '../../src/integrity.ts'
import { agreedParties } from '../ratchet/party.ts'

describe('lengths of agent.md §3.4', () => {
  it('are smaller with PQ from agent version 5', () => {
    assert.deepEqual(
      [4, 5, 7].map((version) => paddedAgentMessageLength(version, true)),
      [15840, 13618, 13618],
    )
    assert.deepEqual(
      [4, 5, 7].map((version) => paddedConnInfoLength(version, true)),
      [14832, 11106, 11106],
    )
    assert.deepEqual(
      [5, 7].map((version) => paddedAgentMessageLength(version, false)),
      [15840, 15840],
    )
    assert.deepEqual(
      [5, 7].map((version) => paddedConnInfoLength(version, false)),
      [14832, 14832],
    )
    assert.equal(maxMessageBodyLength(7, false), 15795)
    assert.equal(maxMessageBodyLength(7, true), 13573)
  })

  it('leave room for the envelope in the queue box, with and without PQ', () => {
    for (const pq of [false, true]) {
      const { bob } = agreedParties({ alicePq: pq, bobKem: pq ? 'accept' : 'none' })
      const { encryptKey } = encryptHeader(bob.ratchet, { maxVersion: 3 })
      // Tag of the client message, version and tag of the envelope.
      const around = 1 + 2 + 1
      const message = encryptBody(encryptKey, paddedAgentMessageLength(7, pq), new Uint8Array()).length + around
      assert.equal(message, CLIENT_MESSAGE_LENGTH - 14)
      const params = pq ? 2343 : 141
      const info = encryptBody(encryptKey, paddedConnInfoLength(7, pq), new Uint8Array()).length + around + 1 + params
      assert.ok(info + 2 <= CLIENT_CONFIRMATION_LENGTH, `${info}`)
    }
  })
})

describe('versions', () => {
  const own = { agent: { min: 2, max: 7 }, e2e: { min: 2, max: 3 }, smpClient: { min: 1, max: 4 } }

  it('of a connection are the highest that both support', () => {
    const peer = { agent: { min: 2, max: 5 }, e2e: { min: 3, max: 4 }, smpClient: { min: 4, max: 4 } }
    assert.deepEqual(agreeConnectionVersions(own, peer), { agent: 5, e2e: 3, smpClient: 4 })
    for (const name of ['agent', 'e2e', 'smpClient'] as const) {
      assert.equal(agreeConnectionVersions(own, { ...own, [name]: { min: 8, max: 9 } }), undefined)
    }
  })

  it('of a client envelope are supported or not above the agreed one', () => {
    const supported = { min: 2, max: 4 }
    assert.deepEqual(
      [1, 2, 4, 5, 6].map((version) => acceptsClientVersion(version, supported, 5)),
      [true, true, true, true, false],
    )
    assert.equal(acceptsClientVersion(1, supported, 0), false)
  })

  it('of the agent rise to own maximum and never fall', () => {
    assert.deepEqual(
      [1, 4, 6, 7, 9].map((received) => raisedAgentVersion(4, received, { min: 2, max: 7 })),
      [4, 4, 6, 7, 7],
    )
  })

  it('decide whether PQ is supported', () => {
    assert.equal(pqSupported(true, { agent: 5, e2e: 3 }), true)
    assert.equal(pqSupported(true, { agent: 4, e2e: 3 }), false)
    assert.equal(pqSupported(true, { agent: 7, e2e: 2 }), false)
    assert.equal(pqSupported(false, { agent: 7, e2e: 3 }), false)
  })
})

describe('integrity of agent.md §4', () => {
  const hash = (byte: number) => new Uint8Array(32).fill(byte)
  const check = (id: bigint, sameHash = true) =>
    formatMsgIntegrity(checkMsgIntegrity({ msgId: 7n, hash: hash(1) }, { msgId: id, hash: hash(sameHash ? 1 : 2) }))

  it('judges the id before the hash', () => {
    assert.equal(check(8n), 'OK')
    assert.equal(check(8n, false), 'ERR HASH')
    for (const same of [true, false]) {
      assert.equal(check(4n, same), 'ERR ID 4')
      assert.equal(check(7n, same), 'ERR DUPLICATE')
      assert.equal(check(9n, same), 'ERR NO_ID 8 8')
      assert.equal(check(21n, same), 'ERR NO_ID 8 20')
    }
  })

  it('takes the first message as following nothing', () => {
    const none = { msgId: 0n, hash: new Uint8Array() }
    assert.deepEqual(checkMsgIntegrity(none, { msgId: 1n, hash: new Uint8Array() }), { type: 'ok' })
    assert.deepEqual(checkMsgIntegrity(none, { msgId: 1n, hash: hash(1) }), { type: 'badHash' })
    assert.deepEqual(checkMsgIntegrity(none, { msgId: 3n, hash: hash(1) }), {
      type: 'skipped',
      fromMsgId: 1,
      toMsgId: 2,
    })
  })

  it('takes any id that a sender may claim', () => {
    const max = 2n ** 63n - 1n
    assert.equal(checkMsgIntegrity({ msgId: max, hash: hash(1) }, { msgId: -max, hash: hash(1) }).type, 'badId')
    assert.equal(checkMsgIntegrity({ msgId: 0n, hash: hash(1) }, { msgId: max, hash: hash(1) }).type, 'skipped')
  })
})
