import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { PrivateKey } from '@parley/core/crypto'
import { encodeSignedCard } from '../../src/card/index.ts'
import type { ChannelLimits, RequestRefusal } from '../../src/channel/index.ts'
import { encodeChannelRequest, signChannelRequest } from '../../src/channel/protocol/index.ts'
import { allDelivered, Identity, orderedIdentities, type TestNodeOptions, World } from './fixture.ts'
import { RawPeer, RawRequester } from './raw-peer.ts'

const HOUR = 3_600_000
/** Nothing is added to it within a test. */
const rate = (burst: number) => ({ perSecond: 0.0001, burst })

async function start(world: World, options: TestNodeOptions = {}) {
  const router = await world.router()
  const node = await world.node(new Identity('owner'), router, options)
  const raw = await RawPeer.start(world, new Identity('stranger'), router)
  return { router, node, raw }
}

/** No connection was made but the contact address. */
async function assertAlone(node: { agent: RawPeer['agent'] }): Promise<void> {
  assert.equal((await node.agent.listConnections()).length, 1)
}

describe('requests for a channel', { concurrency: 2 }, () => {
  type Forgery = (
    raw: RawPeer,
    node: { contactLink: string },
    victim: Identity,
  ) => Promise<Parameters<RawPeer['request']>[1]>
  const forgeries: readonly (readonly [string, RequestRefusal, Forgery])[] = [
    ['that say nothing', 'MALFORMED', async () => Buffer.from('let me in')],
    [
      "with somebody else's card",
      'BAD_SIGNATURE',
      async (raw, node, victim) => raw.requestInfo(node, { signed: await victim.card(raw.contactLink) }),
    ],
    [
      'signed by another key than the card names',
      'BAD_SIGNATURE',
      async (raw, node) => raw.requestInfo(node, { key: PrivateKey.generate('ed25519') }),
    ],
    [
      'made for another contact address',
      'BAD_SIGNATURE',
      async (raw, node) => raw.requestInfo(node, { contactLink: `${raw.contactLink}` }),
    ],
    [
      'made for other keys',
      'BAD_SIGNATURE',
      async (raw, node) => raw.requestInfo(node)({ keyAgreement: new Uint8Array(32) }),
    ],
    ['of yesterday', 'OLD', async (raw, node) => raw.requestInfo(node, { issuedAt: Date.now() - 25 * HOUR })],
    ['of tomorrow', 'OLD', async (raw, node) => raw.requestInfo(node, { issuedAt: Date.now() + HOUR })],
    [
      'with a card that has expired',
      'BAD_CARD',
      async (raw, node) => {
        const signed = await raw.identity.card(raw.contactLink, { now: Date.now() - 3 * HOUR, lifetime: 2 * HOUR })
        return raw.requestInfo(node, { signed })
      },
    ],
    [
      'with a card that its ledger key has not signed',
      'BAD_CARD',
      async (raw, node, victim) => {
        const { card } = await victim.card(raw.contactLink)
        const channelKey = raw.identity.channelKey.publicKey.raw
        const signed = { card: { ...card, channelKey }, proof: raw.card.proof }
        return raw.requestInfo(node, { signed })
      },
    ],
  ]
  it('are refused when they prove nothing', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    for (const [what, reason, forge] of forgeries) {
      await raw.request(node, await forge(raw, node, new Identity('victim')))
      const refused = await node.expect('requestRefused')
      assert.deepEqual(refused, { local: node.address, reason }, what)
    }
    await assertAlone(node)
    assert.deepEqual(node.channels.list(), [])
  })

  it('are refused when the card goes back, or whoever knows more of cards does not accept it', async () => {
    await using world = new World()
    let accepts = true
    const { node, raw } = await start(world, { acceptCard: () => accepts })
    const before = await raw.identity.card(raw.contactLink, { now: Date.now() - HOUR })
    await raw.openChannel(node)
    await node.expect('opened')
    await raw.request(node, raw.requestInfo(node, { signed: before }))
    assert.equal((await node.expect('requestRefused')).reason, 'BAD_CARD')
    accepts = false
    await raw.request(node, raw.requestInfo(node))
    assert.equal((await node.expect('requestRefused')).reason, 'BAD_CARD')
  })

  it('count once, also after a restart', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    const requester = await RawRequester.connect(world, node.fullLink)
    const request = requester.make((keyAgreement) => raw.requestInfo(node)({ keyAgreement }))
    await requester.send(request)
    // Nobody answers at the queue that it names.
    assert.deepEqual(await node.expect('requestRefused'), {
      local: node.address,
      peer: raw.identity.address,
      reason: 'FAILED',
    })
    await requester.send(request)
    assert.deepEqual(await node.expect('requestRefused'), { local: node.address, reason: 'REPLAYED' })
    await node.restart()
    await requester.send(request)
    assert.deepEqual(await node.expect('requestRefused'), { local: node.address, reason: 'REPLAYED' })
  })

  it('that come to nothing leave nothing', async () => {
    await using world = new World()
    let ahead = 0
    const { node, raw } = await start(world, { now: () => Date.now() + ahead, limits: { requestAgain: 100 } })
    const requester = await RawRequester.connect(world, node.fullLink)
    await requester.send(requester.make((keyAgreement) => raw.requestInfo(node)({ keyAgreement })))
    assert.equal((await node.expect('requestRefused')).reason, 'FAILED')
    assert.equal(node.channels.list().length, 1)
    ahead = 11 * 60_000
    while (node.channels.list().length > 0) await pause(20)
    await assertAlone(node)
  })

  it('are let in by an allow-list of addresses', async () => {
    await using world = new World()
    const friend = new Identity('friend', 'cosmos')
    const policy = { mode: 'allow-list', addresses: new Set([friend.address]) } as const
    const { node, raw, router } = await start(world, { policy })
    await raw.request(node, raw.requestInfo(node))
    const peer = raw.identity.address
    assert.deepEqual(await node.expect('requestRefused'), { local: node.address, peer, reason: 'NOT_ALLOWED' })
    const a = await world.node(friend, router)
    await a.open(node)
    await Promise.all([a.expect('opened'), node.expect('opened')])
  })

  it('wait for the application when it is to be asked, also over a restart', async () => {
    await using world = new World()
    const { node, raw, router } = await start(world, { policy: { mode: 'ask' } })
    await raw.request(node, raw.requestInfo(node))
    const first = await node.expect('request')
    assert.deepEqual([first.peer, first.card], [raw.identity.address, 'ledger'])
    await first.refuse()
    assert.equal((await node.expect('requestRefused')).reason, 'NOT_ALLOWED')
    const a = await world.node(new Identity('friend'), router)
    await a.open(node)
    await node.expect('request')
    await node.restart()
    const again = await node.expect('request')
    assert.equal(again.peer, a.address)
    await assertAlone(node)
    await again.accept()
    await Promise.all([a.expect('opened'), node.expect('opened')])
  })

  it('that wait are listed, and answered by whoever was not there when they came', async () => {
    await using world = new World()
    // Counted once: what the agent repeats after a restart takes nothing of the limits.
    const limits: { requestsInAll: ReturnType<typeof rate>; requestsPerAddress: ReturnType<typeof rate> } = {
      requestsInAll: rate(3),
      requestsPerAddress: rate(1),
    }
    const { node, raw, router } = await start(world, { policy: { mode: 'ask' }, limits })
    const before = Date.now()
    const strangers = ['stranger 1', 'stranger 2'].map((name) => new Identity(name))
    for (const stranger of strangers) {
      const signed = await stranger.card(raw.contactLink)
      await raw.request(node, raw.requestInfo(node, { signed, key: stranger.channelKey }))
      await node.expect('request', { peer: stranger.address })
    }
    const a = await world.node(new Identity('friend'), router)
    await a.open(node)
    await node.expect('request', { peer: a.address })
    const addresses = [...strangers.map(({ address }) => address), a.address]
    const listed = () => node.channels.requests()
    assert.deepEqual(
      listed().map(({ local, peer, card }) => [local, peer, card]),
      addresses.map((peer) => [node.address, peer, 'ledger']),
    )
    const times = listed().map(({ since }) => since)
    assert.ok(times.every((since) => since >= before && since <= Date.now()))
    limits.requestsInAll = rate(0)
    limits.requestsPerAddress = rate(0)
    await node.restart()
    for (const peer of addresses) await node.expect('request', { peer })
    assert.deepEqual(
      listed().map(({ since }) => since),
      times,
    )
    const [first = '', second = ''] = addresses
    assert.equal(await node.channels.answerRequest(node.address, first, 'refuse'), true)
    assert.equal((await node.expect('requestRefused')).reason, 'NOT_ALLOWED')
    assert.equal(await node.channels.answerRequest(node.address, first, 'accept'), false)
    assert.equal(await node.channels.answerRequest(node.address, a.address, 'accept'), true)
    await Promise.all([a.expect('opened'), node.expect('opened')])
    assert.deepEqual(
      listed().map(({ peer }) => peer),
      [second],
    )
    // What was refused does not come back.
    await node.restart()
    await node.expect('request', { peer: second })
    assert.equal(listed().length, 1)
    await node.channels.removeLocal(node.address, 'refused')
    assert.deepEqual(listed(), [])
  })

  it('that wait are over when there is a channel by a request of one’s own', async () => {
    await using world = new World()
    const router = await world.router()
    // Its own has precedence.
    const [first, second] = orderedIdentities()
    const node = await world.node(first, router, { policy: { mode: 'ask' } })
    const a = await world.node(second, router)
    await a.open(node)
    await node.expect('request')
    await node.open(a)
    await Promise.all([a.expect('opened'), node.expect('opened')])
    assert.deepEqual(node.channels.requests(), [])
  })

  it('are limited for an address, which takes nothing from others', async () => {
    await using world = new World()
    const { node, raw, router } = await start(world, { limits: { requestsPerAddress: rate(2) } })
    for (let i = 0; i < 4; i++) await raw.request(node, raw.requestInfo(node))
    const peer = raw.identity.address
    for (let i = 0; i < 2; i++) await node.expect('requestRefused', { local: node.address, peer, reason: 'RATE' })
    const a = await world.node(new Identity('friend'), router)
    await a.open(node)
    await a.expect('opened')
  })

  it('of strangers are limited, in all and at once, which takes nothing from whom the owner knows', async () => {
    for (const limits of [{ requestsInAll: rate(2) }, { pendingStrangers: 2 }] as Partial<ChannelLimits>[]) {
      await using world = new World()
      const friend = new Identity('friend')
      const { node, raw, router } = await start(world, { limits })
      const a = await world.node(friend, router)
      await a.open(node)
      await Promise.all([a.expect('opened'), node.expect('opened')])
      for (let i = 0; i < 4; i++) {
        const stranger = new Identity(`stranger ${i}`)
        const signed = await stranger.card(raw.contactLink)
        await raw.request(node, raw.requestInfo(node, { signed, key: stranger.channelKey }))
      }
      assert.equal((await node.expect('requestRefused')).reason, 'BUSY')
      // The friend has lost everything but its keys.
      await a.close()
      const anew = await world.node(friend, router, { name: 'anew' })
      await anew.open(node)
      await Promise.all([anew.expect('opened'), node.expect('opened', { peer: a.address })])
    }
  })

  it('in a flood cost a bounded amount, and one that proves its address gets in', async () => {
    await using world = new World()
    const { node, router } = await start(world)
    const friend = await world.node(new Identity('friend'), router)
    const other = await world.node(new Identity('other'), router)
    await other.open(node)
    await node.expect('opened')
    const flooder = await RawRequester.connect(world, node.fullLink)
    const junk = new Identity('junk')
    const signedCard = encodeSignedCard(await junk.card(friend.contactLink))
    const info = () =>
      encodeChannelRequest(
        signChannelRequest(
          PrivateKey.generate('ed25519'),
          { contactLink: node.contactLink, keyAgreement: new Uint8Array(32) },
          { signedCard, issuedAt: Date.now() },
        ),
      )
    const stop = new AbortController()
    let sent = 0
    // More than the queue of the contact address holds.
    const { promise: flooded, resolve: overflow } = Promise.withResolvers<void>()
    const flood = (async () => {
      while (!stop.signal.aborted) {
        // A full queue refuses.
        await flooder.send(flooder.make(info)).then(
          () => {
            sent++
            if (sent === 150) overflow()
          },
          () => new Promise((resolve) => setImmediate(resolve)),
        )
      }
    })()
    await flooded
    await friend.open(node)
    const opened = friend.expect('opened')
    // Channels that are there go on meanwhile.
    await allDelivered(other, [await other.send(node, 'in the flood')])
    await opened
    stop.abort()
    await flood
    assert.equal((await node.agent.listConnections()).length, 3)
    assert.ok(node.seen.every(({ name, event }) => name !== 'requestRefused' || !('peer' in event)))
  })
})
