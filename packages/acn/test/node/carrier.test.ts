import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { AcnNode } from '@parley/acn/node'
import { encodeEnvelope, STATUS } from '@parley/acn/protocol'
import { folderOf, newIdentity, numbered, peerSettings, startNode, TestAgent } from './network.ts'
import { OtherWay } from './other-way.ts'

const newId = () => randomBytes(16).toString('hex')

/** Two peers of a network, each with a carrier that carries to the other, and an agent at each. */
async function twoNodes(t: TestContext) {
  const [here, there] = [new OtherWay(), new OtherWay()]
  here.other = there
  there.other = here
  const first = await startNode(t, peerSettings(), { carrier: here.make })
  const second = await startNode(t, peerSettings([first]), { carrier: there.make })
  const [alice, bob] = [await TestAgent.delegate(t, first), await TestAgent.delegate(t, second)]
  return { here, there, first, second, alice, bob }
}

function words(carrier: OtherWay): string[] {
  return carrier.offered.map(({ bytes }) => /envelope \d+/.exec(Buffer.from(bytes).toString('latin1'))?.[0] ?? '')
}

test('envelopes are offered in order, one after the other; one that is put off is offered again before the next', async (t) => {
  const { here, alice, bob } = await twoNodes(t)
  const putOff = new Map([
    ['envelope 0', 2],
    ['envelope 3', 1],
  ])
  let under = 0
  here.answer = async ({ bytes }) => {
    assert.equal(++under, 1, 'one at a time')
    await new Promise((resolve) => setImmediate(resolve))
    under--
    const name = /envelope \d+/.exec(Buffer.from(bytes).toString('latin1'))?.[0] ?? ''
    const left = putOff.get(name) ?? 0
    putOff.set(name, left - 1)
    return left > 0 ? { type: 'later', reason: 'not now' } : { type: 'carried' }
  }
  const list = numbered(6)
  for (const text of list) assert.equal(await alice.send(bob, text), STATUS.SUCCESS)
  assert.deepEqual(await bob.receive(6), list)
  const again = ['envelope 0', 'envelope 0', 'envelope 0', 'envelope 1', 'envelope 2', 'envelope 3', 'envelope 3']
  assert.deepEqual(words(here), [...again, 'envelope 4', 'envelope 5'])
  assert.deepEqual(
    (await Promise.all(here.ends.values())).map(({ type }) => type),
    Array(6).fill('taken'),
  )
})

test('on a way that is settled envelopes are offered without waiting for the answers', async (t) => {
  const { here, alice, bob } = await twoNodes(t)
  const all = Promise.withResolvers<void>()
  here.way = () => 'carried'
  here.answer = async () => {
    if (here.offered.length === 40) all.resolve()
    await all.promise
    return { type: 'carried' }
  }
  const list = numbered(40)
  await Promise.all(list.map((text) => alice.send(bob, text)))
  assert.deepEqual(await bob.receive(40), list)
  assert.deepEqual(words(here), list)
})

test('order holds while the way changes again and again', async (t) => {
  const { here, alice, bob } = await twoNodes(t)
  let way: 'carried' | 'plain' | undefined
  let until = 0
  // As a carrier has to: what follows goes the same way, until that is to be decided again.
  here.way = () => (here.offered.length < until ? way : undefined)
  here.answer = async () => {
    if (here.offered.length <= until) return { type: way ?? 'plain' }
    const next = way === 'plain' ? 'carried' : 'plain'
    await new Promise((resolve) => setImmediate(resolve))
    way = next
    until = here.offered.length + 1 + (here.offered.length % 13)
    return { type: next }
  }
  const list = numbered(300)
  const sent = Promise.all(list.map((text) => alice.send(bob, text)))
  assert.deepEqual(await bob.receive(300), list)
  await sent
  const carried = here.ends.size
  assert.ok(carried > 50 && carried < 250, `${carried} were carried`)
})

test('an envelope is offered once, however often its agent hands it over', async (t) => {
  const { here, alice, bob } = await twoNodes(t)
  const envelope = { to: bob.address, sender: alice.address, protocolId: 'a/b:1', message: Buffer.from('x'), uri: '' }
  const id = newId()
  for (let i = 0; i < 3; i++) assert.equal((await alice.client.send(envelope, { id })).code, STATUS.SUCCESS)
  assert.equal((await bob.take('envelope')).id, id)
  await alice.send(bob, 'envelope 1')
  assert.deepEqual(await bob.receive(), ['envelope 1'])
  assert.equal(here.offered.length, 2)
})

test('what a carrier gives up is on record, and told to the agent that sent it, also later', async (t) => {
  const { here, first, alice, bob } = await twoNodes(t)
  here.other = undefined
  await alice.send(bob, 'in vain')
  const [{ id, to, sender } = { id: '', to: '', sender: '' }] = here.offered
  await here.node.router.carried.inVain({ id, to, sender, reason: 'refused', status: 77 })
  const told = await alice.take('notDelivered')
  assert.deepEqual([told.envelopeId, told.to, told.reason, told.status], [id, bob.address, 'refused', 77])
  const [record] = await first.store.listNotDelivered({ id })
  assert.deepEqual([record?.reason, record?.status, record?.to], ['refused', 77, bob.address])
  assert.ok((await first.store.trace(id)).some(({ event }) => event === 'not-delivered'))
  here.node.router.carried.arrived(id)
  assert.equal((await first.store.trace(id)).at(-1)?.event, 'delivered')
})

test('what comes by a carrier is taken once, also over restarts, and its end is told each time', async (t) => {
  const dataFolder = await folderOf(t)
  const settings = peerSettings()
  const carrier = new OtherWay()
  const node = await AcnNode.start({ settings, dataFolder, carrier: carrier.make })
  const identity = newIdentity()
  const bob = await TestAgent.delegate(t, node, identity, 'manual')
  const sender = newIdentity().address
  const envelopeOf = (text: string) => {
    const envelope = { to: bob.address, sender, protocolId: 'a/b:1', message: Buffer.from(text), uri: '' }
    return { id: newId(), to: bob.address, sender, bytes: encodeEnvelope(envelope) }
  }
  const [taken, refused] = [envelopeOf('taken'), envelopeOf('refused')]
  const ends = [taken, taken, taken, refused].map((one) => carrier.node.router.carried.receive(one))
  const event = await bob.take('envelope')
  assert.equal(event.id, taken.id)
  event.acknowledge()
  ;(await bob.take('envelope')).refuse(STATUS.ERROR_GENERIC, 'no')
  const settled = await Promise.all(ends)
  assert.deepEqual(settled.slice(0, 3), Array(3).fill({ type: 'taken' }))
  assert.deepEqual(settled[3], { type: 'refused', code: STATUS.ERROR_GENERIC })
  assert.deepEqual(await carrier.node.router.carried.receive(taken), { type: 'taken' })
  // It is here and not answered when the node stops.
  const open = envelopeOf('open')
  void carrier.node.router.carried.receive(open)
  assert.equal((await bob.take('envelope')).id, open.id)
  await bob.client.close()
  await node.stop()
  assert.ok(carrier.stopped)
  const again = new OtherWay()
  const second = await startNode(t, settings, { dataFolder, carrier: again.make })
  assert.deepEqual(again.registered, [{ address: bob.address, isListed: true }])
  assert.deepEqual(await again.node.router.carried.receive(taken), { type: 'taken' })
  assert.deepEqual(await again.node.router.carried.receive(refused), { type: 'refused', code: STATUS.ERROR_GENERIC })
  const end = again.node.router.carried.receive(open)
  const back = await TestAgent.delegate(t, second, identity, 'manual')
  const last = envelopeOf('last')
  const lastEnd = again.node.router.carried.receive(last)
  for (const id of [open.id, last.id]) {
    const given = await back.take('envelope')
    assert.equal(given.id, id)
    given.acknowledge()
  }
  assert.deepEqual([await end, await lastEnd], [{ type: 'taken' }, { type: 'taken' }])
})

test('an agent that is away gets what was carried when it comes back; nobody else does', async (t) => {
  const { there, second, bob: first } = await twoNodes(t)
  const identity = newIdentity()
  const bob = await TestAgent.delegate(t, second, identity)
  await bob.client.close()
  const sender = newIdentity().address
  const list = numbered(20)
  const ends = list.map((text) => {
    const envelope = { to: bob.address, sender, protocolId: 'a/b:1', message: Buffer.from(text), uri: '' }
    return there.node.router.carried.receive({ id: newId(), to: bob.address, sender, bytes: encodeEnvelope(envelope) })
  })
  const nobody = { id: newId(), to: newIdentity().address, sender, bytes: new Uint8Array([1]) }
  assert.deepEqual(await there.node.router.carried.receive(nobody), { type: 'gone' })
  const back = await TestAgent.delegate(t, second, identity)
  assert.deepEqual(await back.receive(20), list)
  assert.deepEqual(await Promise.all(ends), Array(20).fill({ type: 'taken' }))
  assert.equal(there.registered.filter(({ address }) => address === bob.address).length, 2)
  assert.equal(
    there.registered.some(({ address }) => address === first.address),
    true,
  )
})

test('an agent that goes to another peer leaves what was carried to those who sent it, and may come back for it', async (t) => {
  const { here, there, first, second, alice } = await twoNodes(t)
  const identity = newIdentity()
  const bob = await TestAgent.delegate(t, second, identity)
  await bob.client.close()
  const { address: sender } = alice
  const list = numbered(5)
  const envelopes = list.map((text) => {
    const envelope = { to: bob.address, sender, protocolId: 'a/b:1', message: Buffer.from(text), uri: '' }
    return { id: newId(), to: bob.address, sender, bytes: encodeEnvelope(envelope) }
  })
  const ends = envelopes.map((envelope) => there.node.router.carried.receive(envelope))
  // A plain one of the pair behind them: what is carried does not keep it.
  here.answer = () => ({ type: 'plain' })
  const atFirst = await TestAgent.delegate(t, first, identity)
  assert.deepEqual(await Promise.all(ends), Array(5).fill({ type: 'gone' }))
  assert.deepEqual(there.moved, [bob.address])
  assert.equal(await alice.send(bob.address, 'plain'), STATUS.SUCCESS)
  assert.deepEqual(await atFirst.receive(), ['plain'])
  const [envelope] = envelopes
  assert.ok(envelope)
  assert.deepEqual(await there.node.router.carried.receive(envelope), { type: 'gone' })
  assert.equal((await second.store.pending(bob.address)).length, 0)
  await atFirst.client.close()
  const back = await TestAgent.delegate(t, second, identity)
  const again = envelopes.map((one) => there.node.router.carried.receive(one))
  assert.deepEqual(await back.receive(5), list)
  assert.deepEqual(await Promise.all(again), Array(5).fill({ type: 'taken' }))
})

test('what is for the carrier itself reaches no agent', async (t) => {
  const { here, there, alice, bob } = await twoNodes(t)
  here.answer = () => ({ type: 'plain' })
  const envelope = {
    to: bob.address,
    sender: alice.address,
    protocolId: there.ownProtocol,
    message: Buffer.from('for you'),
    uri: '',
  }
  here.ownProtocol = 'another/one:1.0.0'
  assert.equal((await alice.client.send(envelope)).code, STATUS.SUCCESS)
  await alice.send(bob, 'for Bob')
  assert.deepEqual(await bob.receive(), ['for Bob'])
  assert.deepEqual(
    there.taken.map(({ envelope, from }) => [Buffer.from(envelope.message).toString(), from]),
    [['for you', 'peer']],
  )
  assert.equal((await bob.client.send({ ...envelope, to: alice.address, sender: bob.address })).code, STATUS.SUCCESS)
  assert.equal(there.taken.at(-1)?.from, 'agent')
  assert.equal(there.offered.length, 0)
})
