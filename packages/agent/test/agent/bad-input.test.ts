import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { SmpClient } from '@parley/smp/client'
import { sealConfirmation, sealMessage } from '../../src/connection/seal.ts'
import { agentEnvelopeCodec } from '../../src/protocol/index.ts'
import { encryptedHeaderCodec, encryptedMessageCodec } from '../../src/ratchet/index.ts'
import { AgentStore } from '../../src/store/agent-store.ts'
import type { SndQueueRecord } from '../../src/store/records.ts'
import { sndQueuesOf } from '../../src/store/snd-queues.ts'
import { bytes, type TestAgent, text, World } from './fixture.ts'

/** The send queue of a closed agent. */
function sendQueueOf({ path }: TestAgent, connId: string): SndQueueRecord {
  const store = AgentStore.open({ path })
  try {
    const [queue] = store.read((db) => sndQueuesOf(db, connId))
    assert.ok(queue)
    return queue
  } finally {
    store.close()
  }
}

async function send({ server, sndId, sndPrivateKey }: SndQueueRecord, body: Uint8Array): Promise<void> {
  await using client = await SmpClient.connect(server)
  await client.send({ sndId, key: sndPrivateKey, notification: true, body })
}

const encryptedWith = (queue: SndQueueRecord, encAgentMessage: Uint8Array): Uint8Array =>
  sealMessage(queue, encode(agentEnvelopeCodec, { type: 'message', agentVersion: 7, encAgentMessage }))

describe('what a peer may send', () => {
  it('becomes typed errors, and the next good message arrives', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await a.close()
    const queue = sendQueueOf(a, connA)
    const wrongKey = { ...queue, e2eDhSecret: randomBytes(32) }
    const expectError = async (body: Uint8Array, agentErr: unknown) => {
      await send(queue, body)
      assert.deepEqual((await b.expect('ERR', { connId: connB })).error.toJSON(), { type: 'AGENT', agentErr })
    }
    const badMessage = { type: 'A_MESSAGE' }
    await expectError(new Uint8Array(), badMessage)
    await expectError(randomBytes(10), badMessage)
    await expectError(bytes(`\0\x04${'2'.repeat(100)}`), badMessage)
    await expectError(sealMessage(wrongKey, randomBytes(10)), { type: 'A_CRYPTO', cryptoErr: { type: 'DECRYPT_CB' } })
    await expectError(sealMessage({ ...queue, clientVersion: 9 }, randomBytes(10)), { type: 'A_VERSION' })
    await expectError(sealMessage(queue, randomBytes(0)), badMessage)
    await expectError(sealMessage(queue, bytes('\0\x07X')), badMessage)
    await expectError(encryptedWith(queue, randomBytes(5)), badMessage)
    const invitation = encode(agentEnvelopeCodec, {
      type: 'confirmation',
      agentVersion: 7,
      encConnInfo: randomBytes(9),
    })
    await expectError(sealMessage(queue, invitation), {
      type: 'A_PROHIBITED',
      prohibitedErr: 'confirmation after confirmation',
    })
    await a.open()
    await a.api.sendMessage(connA, bytes('still here'))
    const event = await b.expect('MSG', { connId: connB })
    assert.equal(text(event.body), 'still here')
    assert.deepEqual(event.integrity, { type: 'ok' })
  })

  it('is not sent to an application whose ratchet is out of step until a good message comes', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await a.close()
    const queue = sendQueueOf(a, connA)
    const part = { iv: randomBytes(16), tag: randomBytes(16), body: randomBytes(88) }
    const header = encode(encryptedHeaderCodec, { version: 3, ...part })
    const forged = encode(encryptedMessageCodec, { header, ...part }, { version: 3 })
    await send(queue, encryptedWith(queue, forged))
    const { state, error } = await b.expect('RSYNC', { connId: connB })
    assert.equal(state, 'required')
    assert.deepEqual(error?.toJSON().agentErr, { type: 'A_CRYPTO', cryptoErr: { type: 'RATCHET_HEADER' } })
    await assert.rejects(b.api.sendMessage(connB, bytes('x')), /PROHIBITED/)
    // The same bytes again are no news.
    await send(queue, encryptedWith(queue, forged))
    await a.open()
    await a.api.sendMessage(connA, bytes('good'))
    assert.equal((await b.expect('RSYNC', { connId: connB })).state, 'ok')
    assert.equal(text((await b.expect('MSG', { connId: connB })).body), 'good')
    assert.ok(!b.has('RSYNC') && !b.has('ERR'))
    await b.api.sendMessage(connB, bytes('x'))
  })

  it('is ignored when it repeats a confirmation', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await a.close()
    const queue = sendQueueOf(a, connA)
    const confirmation = encode(agentEnvelopeCodec, {
      type: 'confirmation',
      agentVersion: 7,
      encConnInfo: randomBytes(100),
    })
    await send(queue, sealConfirmation(queue, confirmation, true))
    const otherKey = PrivateKey.generate('x25519')
    await send(queue, sealConfirmation({ ...queue, e2ePublicKey: otherKey.publicKey }, confirmation, true))
    const { error } = await b.expect('ERR', { connId: connB })
    assert.deepEqual(error.toJSON().agentErr, { type: 'A_CRYPTO', cryptoErr: { type: 'DECRYPT_CB' } })
    await a.open()
    await a.api.sendMessage(connA, bytes('good'))
    await b.expect('MSG', { connId: connB })
    assert.ok(!b.has('ERR'))
  })
})
