// Connections are suspended, deleted, or taken over by a copy of the agent.
import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { JsonlProcess } from './jsonl-process.ts'
import { receive, send, state, World } from './world.ts'

const TOGETHER = { timeout: 90_000, concurrency: 2 }

describe('the end of a connection', TOGETHER, () => {
  for (const cmd of ['suspendConnection', 'deleteConnection'] as const) {
    test(`${cmd}: the peer’s next message is MERR AUTH and failed`, async () => {
      await using world = await World.start()
      const { a, b, connected } = await world.pair()
      const before = await send(a, connected.a, 'before')
      await receive(b, connected.b)
      assert.deepEqual(await b.request(cmd, { connId: connected.b }), {})
      if (cmd === 'deleteConnection') await b.next('DEL_CONNS')
      const msgId = await send(a, connected.a, 'after')
      const { error, ...merr } = await a.next('MERR')
      assert.deepEqual(merr, { event: 'MERR', connId: connected.a, msgId })
      const { type, smpErr } = error as { type: string; smpErr: unknown }
      assert.deepEqual([type, smpErr], ['SMP', { type: 'AUTH' }])
      const told = await a.next('STATUS', (line) => line.msgId === msgId)
      assert.equal(told.state, 'failed')
      assert.deepEqual(told.reason, { type: 'error', error })
      const status = await a.request<Record<string, unknown>>('messageStatus', { connId: connected.a, msgId })
      assert.deepEqual([status.state, status.reason], ['failed', told.reason])
      assert.equal(await state(a, connected.a, before), 'sent')
      assert.deepEqual([await a.end(), await b.end()], [0, 0])
    })
  }

  test('suspendConnection: what the router has is still delivered, and the own side still sends', async () => {
    await using world = await World.start()
    const { a, b, folders, connected } = await world.pair()
    await b.kill()
    const last = await send(a, connected.a, 'in time')
    await a.line((line) => line.event === 'SENT' && line.msgId === last)
    const again = world.agent(folders.b)
    await again.request('suspendConnection', { connId: connected.b })
    await again.request('subscribeConnections')
    assert.equal((await receive(again, connected.b)).text, 'in time')
    await send(again, connected.b, 'goodbye')
    assert.equal((await receive(a, connected.a)).text, 'goodbye')
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })

  test('deleteConnection: DEL_RCVQS and DEL_CONNS, then nothing is left of it, also after a restart', async () => {
    await using world = await World.start()
    const { a, b, folders, connected } = await world.pair()
    assert.deepEqual(await b.request('deleteConnection', { connId: connected.b }), {})
    const { queues } = await b.next('DEL_RCVQS')
    assert.deepEqual(queues, [{ connId: connected.b, server: world.router.address }])
    assert.deepEqual((await b.next('DEL_CONNS')).connIds, [connected.b])
    const check = async (agent: JsonlProcess) => {
      assert.deepEqual(await agent.request('listConnections'), { connections: [] })
      for (const [cmd, fields] of [
        ['deleteConnection', {}],
        ['suspendConnection', {}],
        ['sendMessage', { text: 'x' }],
      ] as const) {
        const { type, connErr } = await agent.refused(cmd, { connId: connected.b, ...fields })
        assert.deepEqual([type, connErr], ['CONN', { type: 'NOT_FOUND' }], cmd)
      }
    }
    await check(b)
    await b.kill()
    const again = world.agent(folders.b)
    assert.deepEqual(await again.request('subscribeConnections'), { errors: [] })
    await check(again)
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })

  test('deleteConnection while the router is down is done when it is up, also after a crash', async () => {
    await using world = await World.start()
    const { a, b, folders, connected } = await world.pair()
    await world.router.stop()
    await b.next('DOWN')
    assert.deepEqual(await b.request('deleteConnection', { connId: connected.b }), {})
    assert.deepEqual(await b.request('listConnections'), { connections: [] })
    await b.kill()
    await world.router.start()
    const again = world.agent(folders.b)
    await again.request('subscribeConnections')
    assert.deepEqual((await again.next('DEL_CONNS')).connIds, [connected.b])
    await a.next('UP')
    await send(a, connected.a, 'too late')
    await a.next('MERR')
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })

  test('a copy of the same agent takes the subscription: END', async () => {
    await using world = await World.start()
    const { a, b, folders, connected } = await world.pair()
    assert.equal(await b.end(), 0)
    const copy = world.folder('copy')
    await cp(folders.b, copy, { recursive: true })
    const first = world.agent(folders.b)
    await first.request('subscribeConnections')
    const second = world.agent(copy)
    await second.request('subscribeConnections')
    assert.deepEqual(await first.next('END'), { event: 'END', connId: connected.b })
    await send(a, connected.a, 'to the second')
    assert.equal((await receive(second, connected.b)).text, 'to the second')
    assert.deepEqual(first.events('MSG'), [])
    assert.deepEqual([await a.end(), await first.end(), await second.end()], [0, 0, 0])
  })
})
