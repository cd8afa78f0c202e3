import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Agent } from '@parley/agent'
import { bytes, connect, FAST, type TestAgent, text, World } from './fixture.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A copy of an agent's database, as a backup that is put back. The agent must be closed. */
function backup({ path }: TestAgent): () => void {
  cpSync(path, `${path}.backup`)
  return () => cpSync(`${path}.backup`, path)
}

describe('receiving', () => {
  it('repeats a message with the same id until it is acknowledged, once', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await a.api.sendMessage(connA, bytes('first'))
    await a.api.sendMessage(connA, bytes('second'))
    const first = await b.expect('MSG', { connId: connB })
    await b.restart()
    const again = await b.expect('MSG', { connId: connB })
    assert.deepEqual({ ...again, body: text(again.body) }, { ...first, body: 'first' })
    await b.api.ackMessage(connB, first.msgId)
    await b.api.ackMessage(connB, first.msgId).catch((error) => assert.match(error.message, /NOT_FOUND/))
    const second = await b.expect('MSG', { connId: connB })
    assert.equal(text(second.body), 'second')
    assert.equal(second.msgId, first.msgId + 1)
    await b.api.ackMessage(connB, second.msgId)
    await b.restart()
    assert.ok(!b.has('MSG') && !b.has('ERR'))
  })

  it('repeats a message after the connection to the router was lost', async () => {
    await using world = new World()
    const { router, a, b, connA, connB } = await world.pair()
    await a.api.sendMessage(connA, bytes('hello'))
    const first = await b.expect('MSG', { connId: connB })
    await router.stop()
    await b.expect('DOWN')
    await router.start()
    const again = await b.expect('MSG', { connId: connB })
    assert.equal(again.msgId, first.msgId)
    await b.api.ackMessage(connB, again.msgId, { receipt: true })
    await a.expect('RCVD', { connId: connA })
  })

  it('does not repeat a message that was acknowledged while the repetition waited for the application', async () => {
    await using world = new World()
    const { router, a, b, connA, connB } = await world.pair()
    await b.close()
    await a.api.sendMessage(connA, bytes('once'))
    await a.api.sendMessage(connA, bytes('and then'))
    const agent = await Agent.open({ store: b.path, servers: b.servers, config: FAST })
    world.add(agent)
    await agent.subscribeConnections()
    const seen: string[] = []
    for await (const event of agent.events()) {
      if (event.event !== 'MSG') continue
      seen.push(text(event.body))
      if (seen.length === 2) break
      const [queue] = (await agent.getConnectionServers(connB)).rcvQueues
      assert.equal(queue?.subscription, 'active')
      await router.stop()
      await router.start()
      // The router delivers the message again; its event waits behind this one.
      while ((await agent.getConnectionServers(connB)).rcvQueues[0]?.subscription !== 'active') await turn()
      await a.api.sendMessage(connA, bytes('last'))
      await a.expect('SENT')
      await agent.ackMessage(connB, event.msgId)
    }
    assert.deepEqual(seen, ['once', 'and then'])
  })

  it('drops a message that was delivered too often without being acknowledged', async () => {
    await using world = new World()
    const router = await world.router()
    const config = { receiveAttempts: 3, receiveAttemptsAge: 0 }
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address, { config })
    const { connA, connB } = await connect(a, b)
    await a.api.sendMessage(connA, bytes('poison'))
    await a.api.sendMessage(connA, bytes('next'))
    await b.expect('MSG', { connId: connB })
    await b.restart()
    await b.expect('MSG', { connId: connB })
    await b.restart()
    const { error } = await b.expect('ERR', { connId: connB })
    assert.deepEqual(error.toJSON().agentErr, {
      type: 'A_DUPLICATE',
      droppedMsg_: (error.toJSON().agentErr as { droppedMsg_: unknown }).droppedMsg_,
    })
    assert.equal(text((await b.expect('MSG', { connId: connB })).body), 'next')
  })

  it('repeats a receipt that was not acknowledged', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    const { msgId } = await a.api.sendMessage(connA, bytes('hello'))
    const message = await b.expect('MSG', { connId: connB })
    await b.api.ackMessage(connB, message.msgId, { receipt: true })
    const receipt = await a.expect('RCVD', { connId: connA })
    await a.restart()
    const again = await a.expect('RCVD', { connId: connA })
    assert.deepEqual(again, receipt)
    assert.deepEqual(again.receipts, [{ msgId, status: 'ok' }])
    await a.api.ackMessage(connA, again.msgId)
  })

  it('says which messages an old database has lost', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await b.close()
    const restore = backup(b)
    await b.open()
    await b.api.subscribeConnections()
    for (let i = 0; i < 3; i++) {
      await a.api.sendMessage(connA, bytes(`lost ${i}`))
      const event = await b.expect('MSG', { connId: connB })
      await b.api.ackMessage(connB, event.msgId)
    }
    await a.api.sendMessage(connA, bytes('kept'))
    await b.expect('MSG', { connId: connB })
    await b.close()
    restore()
    await b.open()
    await b.api.subscribeConnections()
    const event = await b.expect('MSG', { connId: connB })
    assert.equal(text(event.body), 'kept')
    assert.deepEqual(event.integrity, { type: 'skipped', fromMsgId: 2, toMsgId: 4 })
    await b.api.ackMessage(connB, event.msgId)
    await a.api.sendMessage(connA, bytes('in order again'))
    assert.deepEqual((await b.expect('MSG', { connId: connB })).integrity, { type: 'ok' })
  })

  it('reports a sender that went back in time as ratchets out of step', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await a.close()
    const restore = backup(a)
    await a.open()
    await a.api.subscribeConnections()
    for (let i = 0; i < 3; i++) {
      await a.api.sendMessage(connA, bytes(`message ${i}`))
      const event = await b.expect('MSG', { connId: connB })
      await b.api.ackMessage(connB, event.msgId)
    }
    await a.close()
    restore()
    await a.open()
    await a.api.subscribeConnections()
    await a.api.sendMessage(connA, bytes('with a used key'))
    const { state, error } = await b.expect('RSYNC', { connId: connB })
    assert.equal(state, 'allowed')
    assert.deepEqual(error?.toJSON(), {
      type: 'AGENT',
      agentErr: { type: 'A_CRYPTO', cryptoErr: { type: 'RATCHET_EARLIER', data: 2 } },
    })
    await b.api.sendMessage(connB, bytes('how are you'))
    const reply = await a.expect('MSG', { connId: connA })
    assert.equal(text(reply.body), 'how are you')
    await a.api.ackMessage(connA, reply.msgId)
    // The number of messages in the previous chain is too low as well.
    await a.api.sendMessage(connA, bytes('fine'))
    assert.equal((await b.expect('RSYNC', { connId: connB })).state, 'allowed')
  })
})
