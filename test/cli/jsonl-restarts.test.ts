// The agent is killed and started again, or stopped in each of the ways there are.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { JsonlProcess } from './jsonl-process.ts'
import { AS_OLD_NODE } from './parley.ts'
import { of, receive, send, state, World } from './world.ts'

const TIME = { timeout: 240_000 }

let world: World
before(async () => {
  world = await World.start()
}, TIME)
after(() => world.stop())

describe('the agent', TIME, () => {
  test('killed: messages sent meanwhile arrive in order after subscribeConnections, not before', async () => {
    const { a, b, folders, connected } = await world.pair()
    assert.equal(await b.kill(), 'SIGKILL')
    const ids: number[] = []
    for (const text of ['one', 'two', 'three']) ids.push(await send(a, connected.a, text))
    await a.line((line) => line.event === 'SENT' && line.msgId === ids.at(-1))

    const again = world.agent(folders.b)
    const { connections } = await again.request<{ connections: { connId: string; state: string }[] }>('listConnections')
    assert.deepEqual(
      connections.map(({ connId, state }) => [connId, state]),
      [[connected.b, 'connected']],
    )
    // It has a connection to the router by now, and would have got what is there.
    await again.request('createConnection', { mode: 'invitation' })
    assert.deepEqual(again.events('MSG'), [])
    assert.deepEqual(await again.request('subscribeConnections'), { errors: [] })
    for (const text of ['one', 'two', 'three']) {
      const message = await receive(again, connected.b, true)
      assert.deepEqual([message.text, message.integrity], [text, 'ok'])
      const { msgId } = await a.next('RCVD', of(connected.a))
      await a.request('ackMessage', { connId: connected.a, msgId })
    }
    for (const id of ids) assert.equal(await state(a, connected.a, id), 'received')
    assert.deepEqual([await a.end(), await again.end()], [0, 0])
  })

  test('killed with a message in hand: it comes again with the same msgId until it is acknowledged', async () => {
    const { a, folders, connected, ...agents } = await world.pair()
    let { b } = agents
    await send(a, connected.a, 'in hand')
    await send(a, connected.a, 'behind it')
    const first = await b.next('MSG', of(connected.b))
    for (let time = 0; time < 3; time++) {
      await b.kill()
      b = world.agent(folders.b)
      await b.request('subscribeConnections')
      assert.deepEqual(await b.next('MSG', of(connected.b)), first)
    }
    await b.request('ackMessage', { connId: connected.b, msgId: first.msgId, receipt: true })
    // The answer is on disk: the message does not come again, its receipt goes out.
    await b.kill()
    b = world.agent(folders.b)
    await b.request('subscribeConnections')
    assert.equal((await receive(b, connected.b)).text, 'behind it')
    const { receipts } = await a.next('RCVD', of(connected.a))
    assert.equal((receipts as unknown[]).length, 1)
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('killed with a receipt in hand: that comes again too', async () => {
    const { b, folders, connected, ...agents } = await world.pair()
    let { a } = agents
    const msgId = await send(a, connected.a, 'confirm')
    await receive(b, connected.b, true)
    const first = await a.next('RCVD', of(connected.a))
    await a.kill()
    a = world.agent(folders.a)
    await a.request('subscribeConnections')
    assert.deepEqual(await a.next('RCVD', of(connected.a)), first)
    assert.equal(await state(a, connected.a, msgId), 'received')
    await a.request('ackMessage', { connId: connected.a, msgId: first.msgId })
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('killed as soon as a message is answered: it is sent by the next process', async () => {
    const { b, folders, connected, ...agents } = await world.pair()
    let { a } = agents
    for (let time = 0; time < 3; time++) {
      const msgId = await send(a, connected.a, `time ${time}`)
      await a.kill()
      a = world.agent(folders.a)
      await a.request('subscribeConnections')
      assert.equal((await receive(b, connected.b, true)).text, `time ${time}`)
      const { msgId: rcvd } = await a.next('RCVD', of(connected.a))
      assert.equal(await state(a, connected.a, msgId), 'received')
      await a.request('ackMessage', { connId: connected.a, msgId: rcvd })
    }
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('killed at each step of connecting: what was not answered comes again, and they connect', async () => {
    const folders = { a: world.folder('a'), b: world.folder('b') }
    let [a, b] = [world.agent(folders.a), world.agent(folders.b)]
    const { connId, shortLink } = await a.request<Record<string, string>>('createConnection', { mode: 'invitation' })
    const restart = async (agent: JsonlProcess, folder: string) => {
      await agent.kill()
      const again = world.agent(folder)
      await again.request('subscribeConnections')
      return again
    }
    a = await restart(a, folders.a)
    const joined = (await b.request<Record<string, string>>('joinConnection', { link: shortLink, info: 'B' })).connId
    b = await restart(b, folders.b)
    const conf = await a.next('CONF')
    a = await restart(a, folders.a)
    assert.deepEqual(await a.next('CONF'), conf)
    await a.request('allowConnection', { connId, confId: conf.confId, info: 'A' })
    a = await restart(a, folders.a)
    await b.next('CON')
    b = await restart(b, folders.b)
    // Whether CON was taken before the crash or comes now: the connection is there.
    for (const [agent, id] of [
      [a, connId],
      [b, joined],
    ] as const) {
      const { connections } = await agent.request<{ connections: { connId: string; state: string }[] }>(
        'listConnections',
      )
      if (connections[0]?.state !== 'connected') await agent.next('CON')
      assert.equal(connections[0]?.connId, id)
    }
    await send(b, `${joined}`, 'connected')
    assert.equal((await receive(a, `${connId}`)).text, 'connected')
    assert.deepEqual([await a.end(), await b.end()], [0, 0])
  })

  test('killed before it could say that it joined or accepted: asking again gives the same connection', async () => {
    const [folder, ownerFolder] = [world.folder('joiner'), world.folder('owner')]
    let [joiner, owner] = [world.agent(folder), world.agent(ownerFolder)]
    for (const form of ['link', 'shortLink'] as const) {
      const made = await owner.request<Record<string, string>>('createConnection', { mode: 'invitation' })
      const join = { link: made[form], info: 'B' }
      joiner.write(JSON.stringify({ cmd: 'joinConnection', ...join }))
      const { confId } = await owner.next('CONF', of(`${made.connId}`))
      await joiner.kill()
      joiner = world.agent(folder)
      const { connId } = await joiner.request<{ connId: string }>('joinConnection', join)
      await owner.request('allowConnection', { connId: made.connId, confId, info: 'A' })
      await joiner.next('CON', of(connId))
      await send(joiner, connId, 'once')
      assert.equal((await receive(owner, `${made.connId}`)).text, 'once')
    }
    const { link } = await owner.request('createConnection', { mode: 'contact' })
    const { connId: requested } = await joiner.request<{ connId: string }>('joinConnection', { link, info: 'B' })
    const { invId } = await owner.next('REQ')
    owner.write(JSON.stringify({ cmd: 'acceptContact', invId, info: 'A' }))
    const { confId } = await joiner.next('CONF', of(requested))
    await owner.kill()
    owner = world.agent(ownerFolder)
    const { connId } = await owner.request<{ connId: string }>('acceptContact', { invId, info: 'A' })
    await joiner.request('allowConnection', { connId: requested, confId, info: 'B' })
    await owner.next('CON', of(connId))
    const { type, cmdErr } = await owner.refused('acceptContact', { invId, info: 'A' })
    assert.deepEqual([type, cmdErr], ['CMD', { type: 'PROHIBITED' }])
    assert.deepEqual([await joiner.end(), await owner.end()], [0, 0])
  })

  test('killed with a request to its contact address: REQ comes again until it is answered', async () => {
    const folder = world.folder('owner')
    let owner = world.agent(folder)
    const requester = world.agent(world.folder('requester'))
    const { link } = await owner.request('createConnection', { mode: 'contact' })
    await requester.request('joinConnection', { link, info: 'hello' })
    const req = await owner.next('REQ')
    const restart = async () => {
      await owner.kill()
      owner = world.agent(folder)
      await owner.request('subscribeConnections')
    }
    await restart()
    assert.deepEqual(await owner.next('REQ'), req)
    await owner.request('rejectContact', { invId: req.invId })
    await restart()
    await requester.request('joinConnection', { link, info: 'second' })
    assert.equal((await owner.next('REQ')).info, 'second')
    assert.deepEqual([await owner.end(), await requester.end()], [0, 0])
  })

  test('stops at the end of its input, after every command is answered; the last line needs no line feed', async () => {
    const agent = world.agent(world.folder('agent'))
    agent.child.stdin.end(
      [1, 2, 3].map((id) => JSON.stringify({ id, cmd: 'createConnection', mode: 'invitation' })).join('\n'),
    )
    assert.equal(await agent.ended, 0)
    const made = agent.lines.filter(({ result }) => result).map(({ result }) => result as { connId: string })
    assert.equal(new Set(made.map(({ connId }) => connId)).size, 3)
  })

  test('stops on "stop" with an answer, and reads nothing after it', async () => {
    const agent = world.agent(world.folder('agent'))
    agent.write('{"id":1,"cmd":"listConnections"}\n{"id":2,"cmd":"stop"}')
    assert.equal(await agent.ended, 0)
    assert.deepEqual(
      agent.lines.filter((line) => 'id' in line).toSorted((x, y) => Number(x.id) - Number(y.id)),
      [
        { id: 1, result: { connections: [] } },
        { id: 2, result: {} },
      ],
    )
  })

  for (const [name, nodeOptions] of [
    ['by itself', []],
    ['under the launcher', AS_OLD_NODE],
  ] as const) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      test(`${name} stops cleanly on ${signal}: exit code 0`, async () => {
        const folder = world.folder('agent')
        const agent = JsonlProcess.start(folder, world.router.address, [], { nodeOptions })
        const { connId } = await agent.request('createConnection', { mode: 'invitation' })
        assert.equal(await agent.kill(signal), 0)
        assert.equal(agent.stderr, '')
        const again = world.agent(folder)
        const { connections } = await again.request<{ connections: { connId: string }[] }>('listConnections')
        assert.deepEqual(
          connections.map((connection) => connection.connId),
          [connId],
        )
        assert.equal(await again.end(), 0)
      })
    }
  }
})
