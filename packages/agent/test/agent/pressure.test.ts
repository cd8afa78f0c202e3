import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Agent } from '@parley/agent'
import { bytes, connect, FAST, World } from './fixture.ts'

const CONNECTIONS = 12

describe('with the smallest queues', () => {
  it('subscribes and makes connections while the application takes no events and a message waits in every queue', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const pairs = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => connect(a, b, { pqA: false, pqB: false })),
    )
    await b.close()
    for (const { connA } of pairs) await a.api.sendMessage(connA, bytes('waiting'))
    for (const _ of pairs) await a.expect('SENT')
    await using agent = await Agent.open({
      store: b.path,
      servers: b.servers,
      config: {
        ...FAST,
        eventQueueSize: 1,
        messageQueueSize: 1,
        receiveConcurrency: 1,
        requestTimeouts: { interactive: 4000, background: 4000 },
      },
    })
    const errors = await agent.subscribeConnections()
    assert.deepEqual([...errors.values()].map(String), [])
    const received = new Set<string>()
    for await (const event of agent.events()) {
      if (event.event !== 'MSG') continue
      received.add(event.connId)
      // Answers of the router come through while events wait.
      if (received.size === 1) await agent.createConnection({ mode: 'invitation', pq: false })
      await agent.ackMessage(event.connId, event.msgId)
      if (received.size === CONNECTIONS) break
    }
    assert.deepEqual(received, new Set(pairs.map(({ connB }) => connB)))
  })
})
