// The router stops, crashes and comes back while agents use it. Each test has one of its own.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { receive, send, state, World } from './world.ts'

// Most of the time passes waiting until agents try to connect again.
const TOGETHER = { timeout: 120_000, concurrency: 3 }

describe('the router', TOGETHER, () => {
  test('down: DOWN, messages wait with the reason; up: UP, they are sent, in order', async () => {
    await using world = await World.start()
    const { router } = world
    const { a, b, connected } = await world.pair()
    assert.equal(await router.stop('SIGKILL'), 'SIGKILL')
    const down = await a.next('DOWN')
    assert.deepEqual(down, { event: 'DOWN', server: router.address, connIds: [connected.a] })
    await b.next('DOWN')

    const first = await send(a, connected.a, 'one')
    const second = await send(a, connected.a, 'two')
    const { reason, ...waiting } = await a.next('STATUS', ({ msgId }) => msgId === first)
    assert.deepEqual(waiting, { event: 'STATUS', connId: connected.a, msgId: first, state: 'waiting' })
    const { type, error } = reason as { type: string; error: { type: string; brokerAddress: string } }
    assert.deepEqual([type, error.type, error.brokerAddress], ['network', 'BROKER', router.address])
    const status = await a.request<Record<string, string>>('messageStatus', { connId: connected.a, msgId: first })
    assert.equal(status.state, 'waiting')
    assert.deepEqual(status.reason, reason)
    assert.ok(Date.parse(`${status.nextTryAt}`) > Date.parse(`${status.since}`))
    assert.match(await state(a, connected.a, second), /^(pending|waiting)$/)

    await router.start()
    assert.deepEqual(await a.next('UP'), { event: 'UP', server: router.address, connIds: [connected.a] })
    await b.next('UP')
    for (const [msgId, text] of [
      [first, 'one'],
      [second, 'two'],
    ] as const) {
      assert.equal((await a.next('SENT')).msgId, msgId)
      assert.equal((await receive(b, connected.b)).text, text)
      assert.equal(await state(a, connected.a, msgId), 'sent')
    }
    const told = a.events('STATUS').map(({ msgId, state }) => [msgId, state])
    assert.deepEqual(
      told.filter(([msgId]) => msgId === first),
      [
        [first, 'waiting'],
        [first, 'sent'],
      ],
    )
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('down: commands that need it fail with BROKER, the others work, and nothing is left behind', async () => {
    await using world = await World.start()
    const { router } = world
    const agent = world.agent(world.folder('agent'))
    const { shortLink, link } = await agent.request('createConnection', { mode: 'invitation' })
    await router.stop()
    await agent.next('DOWN')
    for (const [cmd, fields] of [
      ['createConnection', { mode: 'invitation' }],
      ['createConnection', { mode: 'contact' }],
      ['joinConnection', { link: shortLink, info: '' }],
      ['joinConnection', { link, info: '' }],
    ] as const) {
      const { type, brokerAddress, brokerErr } = await agent.refused(cmd, fields)
      assert.deepEqual([type, brokerAddress], ['BROKER', router.address], cmd)
      assert.equal((brokerErr as { type: string }).type, 'NETWORK')
    }
    await router.start()
    await agent.next('UP')
    await agent.request('createConnection', { mode: 'invitation' })
    assert.equal(await agent.end(), 0)
  })

  test('down when an agent starts: subscribeConnections says so, and UP comes when it is there', async () => {
    await using world = await World.start()
    const { router } = world
    const { a, b, folders, connected } = await world.pair()
    assert.equal(await b.end(), 0)
    const msgId = await send(a, connected.a, 'before')
    await a.line((line) => line.event === 'SENT' && line.msgId === msgId)
    await router.stop()
    const again = world.agent(folders.b)
    const { errors } = await again.request<{ errors: { connId: string; error: { type: string } }[] }>(
      'subscribeConnections',
    )
    assert.deepEqual(
      errors.map(({ connId, error }) => [connId, error.type]),
      [[connected.b, 'BROKER']],
    )
    await router.start()
    assert.deepEqual((await again.next('UP')).connIds, [connected.b])
    assert.equal((await receive(again, connected.b)).text, 'before')
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })

  test('down while the input ends: the agent does not wait for it, and the message is sent later', async () => {
    await using world = await World.start()
    const { router } = world
    const { a, b, folders, connected } = await world.pair()
    await router.stop()
    await a.next('DOWN')
    const msgId = await send(a, connected.a, 'stored')
    assert.equal(await a.end(), 0)
    await router.start()
    const again = world.agent(folders.a)
    await again.request('subscribeConnections')
    assert.equal((await receive(b, connected.b)).text, 'stored')
    await again.line((line) => line.event === 'STATUS' && line.msgId === msgId && line.state === 'sent')
    assert.deepEqual([await again.end(), await b.end()], [0, 0])
  })

  test('killed and started again it has lost nothing that it had accepted', async () => {
    await using world = await World.start()
    const { router } = world
    const { a, b, connected } = await world.pair()
    const ids: number[] = []
    for (let i = 0; i < 20; i++) ids.push(await send(a, connected.a, `${i}`))
    await a.line((line) => line.event === 'SENT' && line.msgId === ids.at(-1))
    await router.stop('SIGKILL')
    await router.start()
    for (let i = 0; i < 20; i++) assert.equal((await receive(b, connected.b)).text, `${i}`)
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('full queue: MWARN and waiting with the reason quota; QCONT and the rest once the peer reads', async () => {
    await using world = await World.start()
    const { a, b, folders, connected } = await world.pair()
    assert.equal(await b.end(), 0)
    // A router's queue holds 128 messages.
    const COUNT = 135
    const ids = await Promise.all(Array.from({ length: COUNT }, (_, i) => send(a, connected.a, `${i}`)))
    const warned = await a.next('MWARN')
    const { type, smpErr } = warned.error as { type: string; smpErr: unknown }
    assert.deepEqual([type, smpErr], ['SMP', { type: 'QUOTA' }])
    const waiting = await a.line((line) => line.event === 'STATUS' && line.state === 'waiting')
    assert.equal(waiting.msgId, warned.msgId)
    assert.equal((waiting.reason as { type: string }).type, 'quota')

    const again = world.agent(folders.b)
    await again.request('subscribeConnections')
    for (let i = 0; i < COUNT; i++) {
      const { text, integrity } = await receive(again, connected.b)
      assert.deepEqual([text, integrity], [`${i}`, 'ok'])
    }
    assert.equal(a.events('QCONT').length, 1)
    for (const id of ids) assert.equal(await state(a, connected.a, id), 'sent')
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })
})
