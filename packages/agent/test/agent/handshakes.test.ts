import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentConfig } from '@parley/agent'
import { connect, deliver, type TestAgent, text, World } from './fixture.ts'

async function converse(a: TestAgent, connA: string, b: TestAgent, connB: string): Promise<void> {
  const there = await deliver({ agent: a, connId: connA }, { agent: b, connId: connB }, 'there', true)
  assert.equal(text(there.event.body), 'there')
  assert.deepEqual(there.event.integrity, { type: 'ok' })
  const back = await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'back', true)
  assert.equal(text(back.event.body), 'back')
  assert.deepEqual(back.event.integrity, { type: 'ok' })
}

async function connectWith(world: World, configA: Partial<AgentConfig>, configB: Partial<AgentConfig>) {
  const router = await world.router()
  const a = await world.agent('a', router.address, { config: configA })
  const b = await world.agent('b', router.address, { config: configB })
  return { a, b, ...(await connect(a, b)) }
}

const SLOW = { senderSecures: false }

describe('handshakes', () => {
  const cases: [string, Partial<AgentConfig>, Partial<AgentConfig>][] = [
    ["the recipient secures the initiator's queue", SLOW, {}],
    ["the recipient secures the joiner's queue, with HELLO", {}, SLOW],
    ['recipients secure both queues', SLOW, SLOW],
    ['queue addresses of version 3', { clientVersions: { min: 1, max: 3 } }, {}],
    ['queue addresses of version 2', {}, { clientVersions: { min: 1, max: 2 } }],
    ['queue addresses of version 1', { clientVersions: { min: 1, max: 1 } }, {}],
    ['SMP version 8 at the joiner', {}, { smpVersions: { min: 6, max: 8 } }],
    ['SMP version 6 at both', { smpVersions: { min: 6, max: 6 } }, { smpVersions: { min: 6, max: 6 } }],
  ]
  for (const [name, configA, configB] of cases) {
    it(`connects: ${name}`, async () => {
      await using world = new World()
      const { a, b, connA, connB, pqA, pqB } = await connectWith(world, configA, configB)
      assert.equal(pqA, true)
      assert.equal(pqB, true)
      await converse(a, connA, b, connB)
      assert.ok(!a.has('ERR') && !b.has('ERR'))
      const rcvQueues = (await a.api.getConnectionServers(connA)).rcvQueues
      assert.deepEqual(
        rcvQueues.map(({ status, subscription }) => [status, subscription]),
        [['active', 'active']],
      )
    })
  }

  for (const agentVersion of [2, 3, 4, 5, 6]) {
    it(`speaks agent version ${agentVersion}`, async () => {
      const config = { agentVersions: { min: 2, max: agentVersion } }
      await using world = new World()
      const { a, b, connA, connB, pqA, pqB } = await connectWith(world, config, {})
      assert.equal(pqA, agentVersion >= 5)
      assert.equal(pqB, agentVersion >= 5)
      const receipts = agentVersion >= 4
      const { sentId } = await deliver({ agent: a, connId: connA }, { agent: b, connId: connB }, 'hello', receipts)
      assert.equal((await b.api.getConnectionServers(connB)).agentVersion, agentVersion)
      assert.equal((await a.api.messageStatus(connA, sentId)).state, receipts ? 'received' : 'sent')
      // Asking for a receipt that the peer could not read sends none.
      await a.api.sendMessage(connA, Buffer.from('again'))
      const event = await b.expect('MSG', { connId: connB })
      await b.api.ackMessage(connB, event.msgId, { receipt: !receipts })
    })
  }

  it('connects without PQ when one side speaks e2e version 2', async () => {
    await using world = new World()
    const { a, b, connA, connB, pqA, pqB } = await connectWith(world, {}, { e2eVersions: { min: 2, max: 2 } })
    assert.deepEqual([pqA, pqB], [false, false])
    await converse(a, connA, b, connB)
    assert.equal((await a.api.getConnectionServers(connA)).e2eVersion, 2)
  })

  it('refuses a link of versions that it does not speak', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address, { config: { agentVersions: { min: 7, max: 7 } } })
    const b = await world.agent('b', router.address, { config: { agentVersions: { min: 2, max: 6 } } })
    const { link } = await a.api.createConnection({ mode: 'invitation' })
    await assert.rejects(b.api.joinConnection({ link, info: new Uint8Array() }), {
      errorType: { type: 'AGENT', error: { type: 'A_VERSION' } },
    })
  })

  for (const pqA of [true, false]) {
    for (const pqB of [true, false]) {
      it(`agrees on PQ: initiator ${pqA}, joiner ${pqB}`, async () => {
        await using world = new World()
        const router = await world.router()
        const a = await world.agent('a', router.address)
        const b = await world.agent('b', router.address)
        const connected = await connect(a, b, { pqA, pqB })
        assert.deepEqual([connected.pqA, connected.pqB], [pqA && pqB, pqA && pqB])
        await converse(a, connected.connA, b, connected.connB)
      })
    }
  }

  it('turns PQ on later and off again', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair({ pqA: false, pqB: false })
    const exchange = async (pq: boolean | undefined) => {
      const flags: boolean[] = []
      for (const [from, fromId, to, toId] of [
        [a, connA, b, connB],
        [b, connB, a, connA],
      ] as const) {
        await from.api.sendMessage(fromId, Buffer.from('x'), pq === undefined ? {} : { pq })
        const event = await to.expect('MSG', { connId: toId })
        await to.api.ackMessage(toId, event.msgId)
        flags.push(event.pq)
      }
      return flags
    }
    assert.deepEqual(await exchange(undefined), [false, false])
    for (let i = 0; i < 2; i++) await exchange(true)
    assert.deepEqual(await exchange(true), [true, true])
    assert.deepEqual(await exchange(undefined), [true, true])
    for (let i = 0; i < 2; i++) await exchange(false)
    assert.deepEqual(await exchange(false), [false, false])
  })
})
