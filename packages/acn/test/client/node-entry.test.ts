import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { AcnClient, type AcnClientEvent, type AgentIdentity, NodeEntry } from '@parley/acn/client'
import { AcnNode } from '@parley/acn/node'
import { AcnStatusError, encodeEnvelope, STATUS } from '@parley/acn/protocol'
import { folderOf, newIdentity, numbered, peerSettings, startNode, TestAgent } from '../node/network.ts'

async function entryOf(node: AcnNode, identity: AgentIdentity, isListed = true): Promise<NodeEntry> {
  const record = await identity.recordFor(node.key.publicKeyHex)
  return new NodeEntry({ handler: node.router, record, isListed })
}

async function attach(
  t: TestContext,
  node: AcnNode,
  identity = newIdentity(),
  { isListed = true, acknowledge = 'arrival' as 'arrival' | 'manual' } = {},
) {
  const client = await AcnClient.connect({
    entries: [await entryOf(node, identity, isListed)],
    acknowledge,
    backoff: { firstMs: 20, longestMs: 100 },
  })
  t.after(() => client.close())
  const events = client.events[Symbol.asyncIterator]()
  const take = async <T extends AcnClientEvent['type']>(type: T): Promise<Extract<AcnClientEvent, { type: T }>> => {
    for (;;) {
      const { value, done } = await events.next()
      assert.ok(!done, 'client is closed')
      if (value.type === type) return value as Extract<AcnClientEvent, { type: T }>
    }
  }
  const send = async (to: string, text: string, sender = identity.address) => {
    const envelope = { to, sender, protocolId: 'a/b:1', message: Buffer.from(text), uri: '' }
    return (await client.send(envelope)).code
  }
  const receive = async (count: number) => {
    const texts: string[] = []
    while (texts.length < count) texts.push(Buffer.from((await take('envelope')).envelope.message).toString())
    return texts
  }
  return { client, identity, address: identity.address, take, send, receive }
}

test('an agent in the node’s own process sends and receives in order, hears refusals and reports', async (t) => {
  const first = await startNode(t, peerSettings())
  const second = await startNode(t, peerSettings([first]))
  const own = await attach(t, first)
  const other = await TestAgent.delegate(t, second, newIdentity(), 'manual')
  const list = numbered(300)
  const sent = Promise.all(list.map((text) => own.send(other.address, text)))
  for (const text of list) {
    const event = await other.take('envelope')
    assert.equal(Buffer.from(event.envelope.message).toString(), text)
    event.acknowledge()
  }
  assert.ok((await sent).every((code) => code === STATUS.SUCCESS))
  const back = Promise.all(list.map((text) => other.send(own.address, text)))
  assert.deepEqual(await own.receive(300), list)
  await back
  assert.equal(await own.send(other.address, 'of another', other.address), STATUS.ERROR_WRONG_AGENT_ADDRESS)
  assert.equal(await own.send(other.address, 'not wanted'), STATUS.SUCCESS)
  ;(await other.take('envelope')).refuse(STATUS.ERROR_GENERIC, 'no')
  const records = async () => (await second.store.listNotDelivered({ sender: own.address })).map(({ status }) => status)
  while ((await records()).length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(await records(), [STATUS.ERROR_GENERIC])
})

test('a report waits for an agent in the node’s own process until that has it', async (t) => {
  const node = await startNode(t, peerSettings())
  const own = await attach(t, node)
  const other = await TestAgent.delegate(t, node, newIdentity(), 'manual')
  await own.send(other.address, 'not wanted')
  ;(await other.take('envelope')).refuse(STATUS.ERROR_GENERIC, 'no')
  const told = await own.take('notDelivered')
  assert.deepEqual([told.to, told.reason, told.status], [other.address, 'refused', STATUS.ERROR_GENERIC])
  // Told once.
  await own.client.close()
  await other.send(own.address, 'after that')
  const again = await attach(t, node, own.identity)
  assert.deepEqual(await again.receive(1), ['after that'])
  assert.deepEqual(await node.store.unreported(own.address), [])
})

test('what the agent has not acknowledged is given again: to its next session, and after a restart', async (t) => {
  const dataFolder = await folderOf(t)
  const settings = peerSettings()
  const node = await AcnNode.start({ settings, dataFolder })
  const identity = newIdentity()
  const own = await attach(t, node, identity, { acknowledge: 'manual' })
  const other = await TestAgent.delegate(t, node)
  for (const text of numbered(3)) await other.send(own.address, text)
  ;(await own.take('envelope')).acknowledge()
  await own.take('envelope')
  await own.client.close()
  const next = await attach(t, node, identity, { acknowledge: 'manual' })
  ;(await next.take('envelope')).acknowledge()
  await next.take('envelope')
  await next.client.close()
  await other.client.close()
  await node.stop()
  const again = await startNode(t, settings, { dataFolder })
  const last = await attach(t, again, identity)
  assert.deepEqual(await last.receive(1), ['envelope 2'])
})

test('a new connection takes the place of the old one; a detached one sends nothing', async (t) => {
  const node = await startNode(t, peerSettings())
  const identity = newIdentity()
  const entry = await entryOf(node, identity)
  const handler = { onEnvelope: async () => ({ code: STATUS.SUCCESS, msgs: [] }), onReport: async () => {} }
  const { signal } = new AbortController()
  const old = await entry.connect(handler, signal)
  const fresh = await (await entryOf(node, identity)).connect(handler, signal)
  await old.closed
  const envelope = {
    to: identity.address,
    sender: identity.address,
    protocolId: 'a',
    message: Buffer.from('x'),
    uri: '',
  }
  await assert.rejects(old.send(encodeEnvelope(envelope), randomBytes(16).toString('hex')), { code: 'CLOSED' })
  assert.equal((await fresh.send(encodeEnvelope(envelope), randomBytes(16).toString('hex'))).code, STATUS.SUCCESS)
  assert.ok(node.router.isAttached(identity.address))
  await fresh.close()
  assert.equal(node.router.isAttached(identity.address), false)
  assert.ok(node.router.isRegistered(identity.address))
})

test('an agent that is not listed is found by nobody, also when it was listed before', async (t) => {
  const dataFolder = await folderOf(t)
  const first = await startNode(t, peerSettings(), { dataFolder })
  const second = await startNode(t, peerSettings([first]))
  const [hidden, listed] = [newIdentity(), newIdentity()]
  const before = await attach(t, first, hidden)
  await attach(t, first, listed)
  const other = await TestAgent.delegate(t, second)
  assert.equal(await other.send(hidden.address, 'while it is listed'), STATUS.SUCCESS)
  assert.deepEqual(await before.receive(1), ['while it is listed'])
  await before.client.close()
  const own = await attach(t, first, hidden, { isListed: false })
  const { signal } = new AbortController()
  const lookup = (address: string) => first.router.lookup(address, second.host.peerId, signal)
  assert.equal((await lookup(listed.address))?.address, listed.address)
  assert.equal(await lookup(hidden.address), undefined)
  assert.equal(await first.store.getRegistration(hidden.address), undefined)
  assert.notEqual(await first.store.getRegistration(listed.address), undefined)
  assert.deepEqual([first.router.isFoundHere(hidden.address), first.router.isFoundHere(listed.address)], [false, true])
  // Whoever tries it out directly hears what anybody hears of an address that is nowhere.
  const nowhere = newIdentity().address
  const record = await newIdentity().recordFor(second.key.publicKeyHex)
  const answerTo = async (to: string) => {
    const envelope = { to, sender: record.address, protocolId: 'a/b:1', message: Buffer.from('?'), uri: '' }
    const bytes = encodeEnvelope(envelope)
    return first.router.fromPeers.receive({ envelope, bytes, record }, second.host.peerId).then(
      () => 'taken',
      (error: unknown) => (error instanceof AcnStatusError ? [error.code, error.message] : error),
    )
  }
  assert.equal(await answerTo(listed.address), 'taken')
  assert.deepEqual(await answerTo(hidden.address), await answerTo(nowhere))
  // It sends all the same.
  assert.equal(await own.send(other.address, 'from nowhere'), STATUS.SUCCESS)
  assert.deepEqual(await other.receive(1), ['from nowhere'])
})

test('other peers are told nothing of an agent that is not listed', async (t) => {
  const first = await startNode(t, peerSettings())
  const second = await startNode(t, peerSettings([first]))
  const hidden = await attach(t, first, newIdentity(), { isListed: false })
  const listed = await attach(t, first)
  // Registrations are told in their order: when the later one is known, the earlier one is not coming.
  const told = async (address: string) => (await second.store.getRegistration(address))?.kind
  while ((await told(listed.address)) === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(await told(hidden.address), undefined)
  assert.equal(await second.host.resolve(hidden.address, { timeout: 2_000 }).catch(() => undefined), undefined)
  assert.equal((await second.host.resolve(listed.address))?.record.address, listed.address)
})
