import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, World } from './world.ts'

test('two agents that know only each other’s addresses talk in private, also while one is away', async () => {
  await using world = await World.make()
  const [routerA, routerB] = [await world.router('a'), await world.router('b')]
  const first = await world.peer(routerA)
  const plain = await world.plainPeer([first.multiaddr])
  const third = await world.peer(routerB, [plain.multiaddr ?? ''])
  const bob = await world.parley('bob', 'fetchai', { entry: [third.multiaddr], smp: [routerB.address] })
  assert.equal(bob.address, addressOf('bob', 'fetchai'))
  const alice = await world.parley('alice', 'ethereum', {
    entry: [first.multiaddr],
    smp: [routerA.address],
    listed: false,
    lookup: 'direct',
  })
  const peer = await alice.connect(bob.address)
  assert.equal(peer.card, 'ledger')
  await peer.send('hello Bob')
  for await (const { from, text, way, done } of bob.messages()) {
    assert.deepEqual({ from, text, way }, { from: alice.address, text: 'hello Bob', way: 'private' })
    done()
    break
  }
  await bob.send(alice.address, 'hello Alice')
  for await (const { from, text, way, done } of alice.messages()) {
    assert.deepEqual({ from, text, way }, { from: bob.address, text: 'hello Alice', way: 'private' })
    done()
    break
  }
  await bob.close()
  await peer.send('are you there?')
  const again = await world.parley('bob', 'fetchai', { entry: [plain.multiaddr ?? ''], smp: [routerB.address] })
  for await (const { text, way, done } of again.messages()) {
    assert.deepEqual({ text, way }, { text: 'are you there?', way: 'private' })
    done()
    break
  }
})

test('who may open a channel is the application’s decision, when it wants to be asked', async () => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router)
  const at = { entry: [peer.multiaddr], smp: [router.address], lookup: 'direct' } as const
  const bob = await world.parley('bob', 'fetchai', { ...at, policy: { mode: 'ask' } })
  const alice = await world.parley('alice', 'ethereum', at)
  const asked: string[] = []
  bob.onRequest(({ peer: address, card, accept }) => {
    asked.push(`${address} ${card}`)
    void accept()
  })
  await (await alice.connect(bob.address)).send('may I?')
  for await (const { text, done } of bob.messages()) {
    assert.equal(text, 'may I?')
    done()
    break
  }
  assert.deepEqual(asked, [`${alice.address} ledger`])
})
