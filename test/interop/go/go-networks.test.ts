import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { STATUS } from '@parley/acn/protocol'
import { peerSettings, startNode, startWithAgent, TestAgent } from '../../../packages/acn/test/node/network.ts'
import { entryOf, newRecord } from '../../../packages/acn/test/peer/test-peer.ts'
import { GoPeer, type GoPeerOptions } from './go-peer.ts'
import { buildGoProgram, WITHOUT_GO } from './go-program.ts'

/** Someone who sends and receives words. */
interface Party {
  readonly address: string
  send(to: string, words: string): Promise<number>
  receive(count: number): Promise<string[]>
}

describe('networks of our nodes and peers on go-libp2p', { skip: WITHOUT_GO, timeout: 280_000 }, () => {
  let program: Awaited<ReturnType<typeof buildGoProgram>>
  before(async () => {
    program = await buildGoProgram()
  })
  after(() => program?.remove())

  async function go(t: TestContext, options: Omit<GoPeerOptions, 'program'> = {}): Promise<GoPeer> {
    const peer = await GoPeer.start({ program: program.path, ...options })
    t.after(() => peer.stop())
    return peer
  }

  it('two nodes: it joins us', async (t) => {
    const ours = await ourPeer(t)
    const theirs = await go(t, { entryPeers: [ours.multiaddr] })
    await exchangeAll([ours.agent, partyOf(theirs)])
  })

  it('two nodes: we join it', async (t) => {
    const theirs = await go(t, { ledger: 1 })
    const ours = await ourPeer(t, [theirs.multiaddr])
    await exchangeAll([ours.agent, partyOf(theirs)])
  })

  it('three nodes: what each provides the others find, and what nobody provides they do not', async (t) => {
    const middle = await ourPeer(t)
    const left = await go(t, { entryPeers: [middle.multiaddr] })
    const right = await go(t, { entryPeers: [middle.multiaddr], ledger: 2 })
    assert.deepEqual(await left.find(right.address), [right.peerId])
    assert.deepEqual(await left.find(middle.agent.address), [middle.node.key.peerId])
    assert.equal((await middle.node.host.resolve(left.address))?.provider, left.peerId)
    // Ours answers for its own agents and looks for those of others.
    for (const { address } of [middle.agent, right]) {
      const record = await left.lookUp(middle.node.key.peerId, address)
      assert.ok(typeof record === 'object')
      assert.equal(record.address, address)
    }
    const unknown = newRecord(left.key.publicKeyHex).address
    assert.equal(await left.lookUp(middle.node.key.peerId, unknown), STATUS.ERROR_UNKNOWN_AGENT_ADDRESS)
    await exchangeAll([middle.agent, partyOf(left), partyOf(right)])
  })

  it('four nodes in a chain of entry peers', async (t) => {
    const first = await go(t)
    const second = await ourPeer(t, [first.multiaddr])
    const third = await go(t, { entryPeers: [second.multiaddr], ledger: 1 })
    const fourth = await ourPeer(t, [third.multiaddr])
    await exchangeAll([partyOf(first), second.agent, partyOf(third), fourth.agent])
  })

  it('five nodes: relay clients of each at a relay of the other', async (t) => {
    const relay = await ourPeer(t)
    const goRelay = await go(t, { entryPeers: [relay.multiaddr] })
    const goClient = await go(t, { entryPeers: [relay.multiaddr], isClient: true, ledger: 2 })
    const secondGoClient = await go(t, { entryPeers: [relay.multiaddr], isClient: true })
    const ourClient = await startWithAgent(t, [], { entryPeers: [entryOf(goRelay.multiaddr)], relayed: true })
    assert.equal(ourClient.node.host.contact, goRelay.peerId)
    await exchangeAll([
      relay.agent,
      partyOf(goRelay),
      partyOf(goClient),
      partyOf(secondGoClient),
      agentParty(ourClient.agent),
    ])
  })

  it('a record that is not for the peer that registers it is refused', async (t) => {
    const ours = await ourPeer(t)
    const theirs = await go(t, { entryPeers: [ours.multiaddr] })
    const stranger = newRecord(ours.node.key.publicKeyHex)
    assert.equal(await theirs.register(ours.node.key.peerId, stranger), STATUS.ERROR_WRONG_PUBLIC_KEY)
  })
})

/** A peer of ours with a delegate. */
async function ourPeer(
  t: TestContext,
  entryPeers: readonly string[] = [],
): Promise<{ node: AcnNode; agent: Party; multiaddr: string }> {
  const node = await startNode(t, peerSettings([], { entryPeers: entryPeers.map(entryOf) }))
  const agent = await TestAgent.delegate(t, node)
  return { node, agent: agentParty(agent), multiaddr: node.multiaddr ?? '' }
}

function agentParty(agent: TestAgent): Party {
  return {
    address: agent.address,
    send: (to, words) => agent.send(to, words),
    receive: (count) => agent.receive(count),
  }
}

function partyOf(peer: GoPeer): Party {
  return {
    address: peer.address,
    send: (to, words) => peer.send(to, words),
    receive: async (count) => {
      const words: string[] = []
      while (words.length < count) words.push((await peer.received.take(AbortSignal.timeout(30_000))) ?? 'nothing')
      return words
    },
  }
}

/** Each sends to each, and each envelope comes once. */
async function exchangeAll(parties: readonly Party[]): Promise<void> {
  const others = (party: Party) => parties.filter((other) => other !== party)
  const receiving = parties.map(async (party) => {
    const words = await party.receive(parties.length - 1)
    assert.deepEqual(
      words.sort(),
      others(party)
        .map(({ address }) => `from ${address}`)
        .sort(),
    )
  })
  const sending = parties.map(async (party) => {
    for (const { address } of others(party)) {
      assert.equal(await party.send(address, `from ${party.address}`), STATUS.SUCCESS)
    }
  })
  await Promise.all([...sending, ...receiving])
}
