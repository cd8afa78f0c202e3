import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CuttingProxy } from './cutting-proxy.ts'
import { bytes, connect, FAST, type TestAgent, text, World } from './fixture.ts'

/** The states that STATUS events of a message went through. */
const statesOf = ({ seen }: TestAgent, msgId: number) =>
  seen.flatMap((event) => (event.event === 'STATUS' && event.msgId === msgId ? [event.state] : []))

describe('the state of a message', () => {
  it('does not go back when the receipt is faster than the answer of the router', async () => {
    await using world = new World()
    const router = await world.router()
    const proxy = await CuttingProxy.start(() => router.running.port)
    world.add(proxy)
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    // What A sends goes to B's queue through the proxy, what A receives does not.
    const { connId: connB, link } = await b.api.createConnection({ mode: 'invitation', pq: false })
    const throughProxy = link.replaceAll(`%3A${router.running.port}`, `%3A${proxy.port}`)
    const { connId: connA } = await a.api.joinConnection({ link: throughProxy, info: bytes('A'), pq: false })
    const conf = await b.expect('CONF', { connId: connB })
    await b.api.allowConnection(connB, conf.confId, bytes('B'))
    await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
    // The router stores the message; nobody hears of it, and the next try has to wait.
    proxy.cutAfter(1000)
    proxy.refuse = true
    const { msgId } = await a.api.sendMessage(connA, bytes('hello'))
    const message = await b.expect('MSG', { connId: connB })
    assert.equal(text(message.body), 'hello')
    await b.api.ackMessage(connB, message.msgId, { receipt: true })
    await a.expect('RCVD', { connId: connA })
    assert.equal((await a.api.messageStatus(connA, msgId)).state, 'received')
    proxy.refuse = false
    // The next message is delivered after the repetition of the first.
    const second = await a.api.sendMessage(connA, bytes('second'))
    await a.expect('SENT', { msgId: second.msgId })
    const status = await a.api.messageStatus(connA, msgId)
    assert.equal(status.state, 'received')
    assert.ok(status.sentAt)
    assert.deepEqual(
      statesOf(a, msgId).filter((state) => state !== 'waiting'),
      ['sent', 'received'],
    )
    assert.equal(statesOf(a, msgId).at(-1), 'received')
    await a.expect('SENT', { msgId })
    assert.ok(!a.has('SENT') && !a.has('MERR'))
  })

  it('does not go back while the application does not take events', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address, { config: { ...FAST, eventQueueSize: 1 } })
    const b = await world.agent('b', router.address)
    const { connA, connB } = await connect(a, b)
    const held = Promise.withResolvers<void>()
    const stop = a.api.on('SENT', () => held.promise)
    try {
      const ids: number[] = []
      for (let i = 0; i < 3; i++) ids.push((await a.api.sendMessage(connA, bytes(`message ${i}`))).msgId)
      const last = ids.at(-1) ?? 0
      for (const msgId of ids) {
        const message = await b.expect('MSG', { connId: connB })
        await b.api.ackMessage(connB, message.msgId, { receipt: msgId === last })
      }
      // The router has the receipt, and then the message behind it, when this side is still busy with the first SENT.
      while ((await a.api.messageStatus(connA, last)).state !== 'received') {
        await new Promise((resolve) => setImmediate(resolve))
      }
      held.resolve()
      const { msgId } = await a.expect('RCVD', { connId: connA })
      await a.api.ackMessage(connA, msgId)
      const end = await a.api.sendMessage(connA, bytes('end'))
      for (const id of [...ids, end.msgId]) await a.expect('SENT', { msgId: id })
      assert.deepEqual(statesOf(a, last), ['sent', 'received'])
      assert.equal((await a.api.messageStatus(connA, last)).state, 'received')
    } finally {
      held.resolve()
      stop()
    }
  })
})
