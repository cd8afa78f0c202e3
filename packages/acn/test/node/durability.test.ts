import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PipeEntry } from '@parley/acn/client'
import { ENVELOPE_PROTOCOL } from '@parley/acn/peer'
import { encodeAcnMessage, STATUS } from '@parley/acn/protocol'
import { SqliteAcnStore } from '@parley/acn/store'
import { envelopeBytes } from '../entrance/agents.ts'
import { BarePeer } from '../peer/host/bare-peer.ts'
import { newRecord } from '../peer/test-peer.ts'
import { folderOf, newIdentity, numbered, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

test('an agent that was away gets what was sent meanwhile, in order: on one node and over two', async (t) => {
  const a = await startNode(t, peerSettings())
  const b = await startNode(t, peerSettings([a]))
  const identity = newIdentity()
  const [near, far] = [await TestAgent.delegate(t, a), await TestAgent.delegate(t, b)]
  const before = await TestAgent.delegate(t, a, identity)
  await far.send(before, 'known now')
  assert.deepEqual(await before.receive(), ['known now'])
  await before.client.close()

  const [nearWords, farWords] = [numbered(20, 'near'), numbered(20, 'far')]
  for (const word of nearWords) assert.equal(await near.send(identity.address, word), STATUS.SUCCESS)
  for (const word of farWords) assert.equal(await far.send(identity.address, word), STATUS.SUCCESS)
  const after = await TestAgent.delegate(t, a, identity)
  const got = await after.receive(40)
  const only = (name: string) => got.filter((word) => word.startsWith(name))
  assert.deepEqual(only('near'), nearWords)
  assert.deepEqual(only('far'), farWords)
})

test('a node that starts again delivers what waited, to agents here and elsewhere', async (t) => {
  const other = await startNode(t, peerSettings())
  const settings = peerSettings([other])
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder })
  const sender = await TestAgent.delegate(t, node)
  const [here, there] = [newIdentity(), newIdentity()]
  await (await TestAgent.delegate(t, node, here)).client.close()
  const words = numbered(10)
  for (const word of words) {
    assert.equal(await sender.send(here.address, word), STATUS.SUCCESS)
    assert.equal(await sender.send(there.address, word), STATUS.SUCCESS)
  }
  await sender.client.close()
  await node.stop()

  const again = await startNode(t, settings, { dataFolder })
  assert.equal(again.router.waiting, 20)
  const receiver = await TestAgent.delegate(t, again, here)
  assert.deepEqual(await receiver.receive(words.length), words)
  const remote = await TestAgent.delegate(t, other, there)
  assert.deepEqual(await remote.receive(words.length), words)
})

test('an own agent whose node was lost is found again, and nothing is lost', async (t) => {
  const first = await startNode(t, peerSettings())
  const sender = await TestAgent.delegate(t, first)
  const { node, agent, settings } = await startWithAgent(t, [first])
  await sender.send(agent, 'one')
  assert.deepEqual(await agent.receive(), ['one'])
  await node.stop()
  assert.equal(await sender.send(agent, 'two'), STATUS.SUCCESS)
  await startNode(t, { ...settings, listen: { host: '127.0.0.1', port: node.host.port ?? 0 } })
  assert.deepEqual(await agent.receive(), ['two'])
})

test('a node whose own agent is gone goes on, and gives it what waited when it is back', async (t) => {
  const lines: string[] = []
  const gone = Promise.withResolvers<void>()
  const log = (_: string, line: string) => {
    lines.push(line)
    if (line.startsWith('the agent is gone')) gone.resolve()
  }
  const { node, agent, settings, identity } = await startWithAgent(t, [], { log })
  const sender = await TestAgent.delegate(t, node)
  await agent.client.close()
  await agent.entry?.close()
  await gone.promise
  assert.equal(node.isAgentConnected, false)
  for (const word of ['one', 'two']) assert.equal(await sender.send(agent, word), STATUS.SUCCESS)
  const entry = await PipeEntry.listen({ port: settings.pipe?.port ?? 0 })
  const back = await TestAgent.direct(t, identity, entry)
  assert.deepEqual(await back.receive(2), ['one', 'two'])
  assert.equal(lines.filter((line) => line === 'connected to the agent').length, 2)
})

test('a node that starts again without its agent does not stand for it; what waited follows it to its new node', async (t) => {
  const first = await startNode(t, peerSettings())
  const dataFolder = await folderOf(t)
  const { node, agent, settings, identity } = await startWithAgent(t, [first], { dataFolder })
  const sender = await TestAgent.delegate(t, node)
  await agent.client.close()
  await agent.entry?.close()
  const words = numbered(5)
  for (const word of words) assert.equal(await sender.send(agent, word), STATUS.SUCCESS)
  await sender.client.close()
  await node.stop()

  const { pipe, record, ...standalone } = settings
  assert.ok(pipe && record)
  const again = await startNode(t, standalone, { dataFolder })
  assert.equal(again.router.isRegistered(agent.address), false)
  assert.equal(again.router.waiting, words.length)
  const elsewhere = await TestAgent.delegate(t, first, identity)
  assert.deepEqual(await elsewhere.receive(words.length), words)
})

test('another sender than the registered agent is refused', async (t) => {
  const node = await startNode(t, peerSettings())
  const [one, other] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)]
  assert.equal(await one.send(other, 'forged', other.address), STATUS.ERROR_WRONG_AGENT_ADDRESS)
  const [kept] = await node.store.listNotDelivered({ sender: one.address })
  assert.equal(kept?.reason, 'wrong-sender')
  await one.send(other, 'honest')
  assert.deepEqual(await other.receive(), ['honest'])
})

test('another sender passes where the check only logs', async (t) => {
  const lines: string[] = []
  const node = await startNode(t, peerSettings(), { senderCheck: 'log', log: (_, line) => lines.push(line) })
  const [one, other] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)]
  assert.equal(await one.send(other, 'in another name', other.address), STATUS.SUCCESS)
  assert.deepEqual(await other.receive(), ['in another name'])
  assert.ok(lines.some((line) => line.includes('another sender')))
})

test('an envelope from a peer whose sender is not the agent of its record is refused, unless the check only logs', async (t) => {
  const peer = await BarePeer.start()
  t.after(() => peer.stop())
  const record = newRecord(peer.key.publicKeyHex)
  for (const [senderCheck, code] of [
    ['refuse', STATUS.ERROR_WRONG_AGENT_ADDRESS],
    ['log', STATUS.SUCCESS],
  ] as const) {
    const node = await startNode(t, peerSettings(), { senderCheck })
    const agent = await TestAgent.delegate(t, node)
    for (const [sender, expected] of [
      [newIdentity().address, code],
      [record.address, STATUS.SUCCESS],
    ] as const) {
      const envelope = envelopeBytes(sender, agent.address, `of ${sender}`)
      const body = encodeAcnMessage({ type: 'aeaEnvelope', envelope, record })
      const answer = await peer.ask(node.multiaddr ?? '', ENVELOPE_PROTOCOL, body)
      assert.equal(answer?.type === 'status' && answer.body?.code, expected)
      if (expected === STATUS.SUCCESS) assert.deepEqual(await agent.receive(), [`of ${sender}`])
    }
  }
})

test('what cannot be delivered in time is reported, recorded and logged at the first failed attempt', async (t) => {
  const lines: string[] = []
  const logged = Promise.withResolvers<void>()
  const node = await startNode(t, peerSettings(), {
    storeLimits: { maxAge: 600 },
    routing: { firstLookup: 100, laterLookup: 100 },
    log: (_, line) => {
      lines.push(line)
      if (line.startsWith('while sending slow envelope:')) logged.resolve()
    },
  })
  const sender = await TestAgent.delegate(t, node)
  const nobody = newIdentity().address
  assert.equal(await sender.send(nobody, 'to nobody'), STATUS.SUCCESS)
  await logged.promise
  const { to, reason } = await sender.take('notDelivered')
  assert.deepEqual({ to, reason }, { to: nobody, reason: 'expired' })
  const [kept] = await node.store.listNotDelivered({ sender: sender.address })
  assert.equal(kept?.reason, 'expired')
  const trace = await node.store.trace(kept?.id ?? '')
  assert.deepEqual([...new Set(trace.map(({ event }) => event))], ['received', 'attempt-failed', 'not-delivered'])
  assert.equal(lines.filter((line) => line.startsWith('while sending slow envelope:')).length, 1)
  assert.match(await node.metrics.text(), /parley_acn_not_delivered_total\{reason="expired"\} 1/)
})

test('a report waits for an agent that is away, over a new start of its node, and is given once', async (t) => {
  const settings = peerSettings()
  const dataFolder = await folderOf(t)
  const rest = { dataFolder, storeLimits: { maxAge: 300 }, routing: { firstLookup: 50, laterLookup: 50 } }
  const node = await startNode(t, settings, rest)
  const identity = newIdentity()
  const [sender, other] = [await TestAgent.delegate(t, node, identity), await TestAgent.delegate(t, node)]
  const nobody = newIdentity().address
  await sender.send(nobody, 'expires while its sender is away')
  await sender.client.close()
  // The other agent's envelope was sent after the first, so that one is given up by then.
  await other.send(nobody, 'of another agent')
  await other.take('notDelivered')
  await node.stop()

  const again = await startNode(t, settings, rest)
  const back = await TestAgent.delegate(t, again, identity)
  const { to, reason } = await back.take('notDelivered')
  assert.deepEqual({ to, reason }, { to: nobody, reason: 'expired' })
  await back.send(nobody, 'the next one')
  assert.ok((await back.take('notDelivered')).at > 0)
  await back.client.close()
  await again.stop()
  const store = await SqliteAcnStore.open(dataFolder)
  t.after(() => store.close())
  assert.deepEqual(await store.unreported(identity.address), [])
  assert.equal((await store.listNotDelivered({ sender: identity.address })).length, 2)
})

test('an agent that refuses an envelope has the last word', async (t) => {
  const node = await startNode(t, peerSettings())
  const sender = await TestAgent.delegate(t, node)
  const receiver = await TestAgent.delegate(t, node, newIdentity(), 'manual')
  await sender.send(receiver, 'unwanted')
  const event = await receiver.take('envelope')
  event.refuse(STATUS.ERROR_GENERIC, 'no')
  const { reason, status } = await sender.take('notDelivered')
  assert.deepEqual({ reason, status }, { reason: 'refused', status: STATUS.ERROR_GENERIC })
})

test('a full queue slows the sender and refuses only when it does not move', async (t) => {
  const node = await startNode(t, peerSettings(), { storeLimits: { maxPerPair: 5 } })
  const sender = await TestAgent.delegate(t, node)
  const identity = newIdentity()
  await (await TestAgent.delegate(t, node, identity)).client.close()
  const words = numbered(20)
  const sent = Promise.all(words.map((word) => sender.send(identity.address, word)))
  const other = await TestAgent.delegate(t, node)
  assert.equal(await other.send(identity.address, 'of another pair'), STATUS.SUCCESS)
  assert.ok(node.router.waiting <= 6)
  const receiver = await TestAgent.delegate(t, node, identity)
  const got = await receiver.receive(words.length + 1)
  assert.deepEqual(
    got.filter((word) => word !== 'of another pair'),
    words,
  )
  assert.ok((await sent).every((code) => code === STATUS.SUCCESS))
})

test('what waited for an agent that went to another node follows it there, in order', async (t) => {
  const routing = { awayGrace: 100 }
  const first = await startNode(t, peerSettings())
  const [a, b] = [await startNode(t, peerSettings([first]), { routing }), await startNode(t, peerSettings([first]))]
  const sender = await TestAgent.delegate(t, first)
  const identity = newIdentity()
  const before = await TestAgent.delegate(t, a, identity)
  await sender.send(before, 'known now')
  assert.deepEqual(await before.receive(), ['known now'])
  await before.client.close()
  const words = numbered(10)
  for (const word of words) assert.equal(await sender.send(identity.address, word), STATUS.SUCCESS)
  assert.ok(a.router.waiting > 0, 'waits at the node where the agent was')
  const after = await TestAgent.delegate(t, b, identity)
  assert.deepEqual(await after.receive(words.length), words)
})
