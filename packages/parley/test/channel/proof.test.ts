import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { encodeSignedCard, type VerifiedCard, verifySignedCard } from '../../src/card/index.ts'
import { ACCEPTOR, type ChannelMessage, type Hello, OPENER } from '../../src/channel/protocol/index.ts'
import { Identity, World } from './fixture.ts'
import { RawPeer } from './raw-peer.ts'

const ENVELOPE: ChannelMessage = {
  number: 1,
  frames: [{ type: 'whole', seq: 1, id: new Uint8Array(16).fill(1), bytes: Buffer.from('not proven') }],
}

type Change = Partial<Hello> & { key?: PrivateKey<'ed25519'>; ratchetAdHash?: Uint8Array }

/** Proofs that prove nothing, by what is wrong with them. */
const WRONG: readonly (readonly [string, Change])[] = [
  ['by another key', { key: PrivateKey.generate('ed25519') }],
  ['of another connection', { ratchetAdHash: new Uint8Array(32) }],
  ['by nobody', { signature: new Uint8Array(64) }],
  ['of another address', { own: '0x00000000000000000000000000000000000000ff' }],
  ['for another address', { peer: '0x00000000000000000000000000000000000000ff' }],
]

async function start(world: World) {
  const router = await world.router()
  const limits = { requestsPerAddress: { perSecond: 1, burst: 20 } }
  const node = await world.node(new Identity('owner'), router, { limits })
  const raw = await RawPeer.start(world, new Identity('peer'), router)
  return { router, node, raw }
}

function cardOf(raw: RawPeer): VerifiedCard {
  return verifySignedCard(raw.card, { expectedAddress: raw.identity.address })
}

describe('the proof of a channel', { concurrency: 2 }, () => {
  it('must be right for the one who opens', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    for (const [what, change] of [...WRONG, ['in the other role', { role: ACCEPTOR }]] as typeof WRONG) {
      const connId = await raw.join(node)
      await raw.send(connId, { hello: await raw.hello(connId, node, OPENER, change) })
      await raw.send(connId, ENVELOPE)
      const failed = await node.expect('proofFailed')
      assert.deepEqual(failed, { local: node.address, peer: raw.identity.address }, what)
      assert.equal((await node.agent.listConnections()).length, 1, what)
    }
    assert.ok(!node.has('opened'))
    assert.deepEqual(node.received, [])
  })

  it('must come before anything else', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    for (const message of [ENVELOPE, { ack: { stored: 0, taken: 0, refused: [] } }, { close: 'moved' }] as const) {
      const connId = await raw.join(node)
      await raw.send(connId, message)
      await node.expect('proofFailed')
      assert.equal((await node.agent.listConnections()).length, 1)
    }
    const connId = await raw.join(node)
    await raw.agent.sendMessage(connId, Buffer.from('no channel message'))
    await node.expect('proofFailed')
    assert.deepEqual(node.received, [])
  })

  it('must be right for the one who accepts: nothing is sent before', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    for (const [what, change] of [...WRONG, ['in the other role', { role: OPENER }]] as typeof WRONG) {
      await node.channels.open(node.address, raw.identity.address, cardOf(raw))
      if (what === WRONG[0]?.[0]) {
        const envelope = { id: '01'.repeat(16), bytes: Buffer.from('secret') }
        await node.channels.send(node.address, raw.identity.address, envelope)
      }
      const connId = await raw.accept()
      // All that the impostor gets is the other side's proof, which is on its way when the connection is deleted.
      assert.deepEqual(Object.keys(await raw.message()), ['hello'], what)
      await raw.send(connId, { hello: await raw.hello(connId, node, ACCEPTOR, change) })
      await raw.send(connId, ENVELOPE)
      await node.expect('proofFailed')
    }
    // What was to be sent waits for somebody who can prove it.
    await node.channels.open(node.address, raw.identity.address, cardOf(raw))
    const connId = await raw.accept()
    await raw.send(connId, { hello: await raw.hello(connId, node, ACCEPTOR) })
    const { frames } = await raw.messageWith(({ number }) => number === 1)
    assert.equal(frames?.[0]?.type === 'whole' && Buffer.from(frames[0].bytes).toString(), 'secret')
    assert.deepEqual(node.received, [])
  })

  it('is of no use on another connection, nor for another peer', async () => {
    await using world = new World()
    const { node, raw, router } = await start(world)
    const thief = await RawPeer.start(world, new Identity('thief'), router)
    // The thief accepts a request of the node and gets its proof …
    await node.channels.open(node.address, thief.identity.address, cardOf(thief))
    const stolenFrom = await thief.accept()
    const { hello } = await thief.messageWith((message) => message.hello)
    assert.ok(hello)
    await thief.send(stolenFrom, { hello: await thief.hello(stolenFrom, node, ACCEPTOR) })
    await node.expect('opened')
    // … and shows it to somebody else, over a connection of its own.
    const other = await world.node(new Identity('other'), router)
    const connId = await thief.join(other)
    await thief.send(connId, { hello })
    await other.expect('proofFailed')
    // Nor does the peer's proof of one connection hold on its next one.
    const first = await raw.join(node)
    const proof = await raw.hello(first, node, OPENER)
    const second = await raw.join(node)
    await raw.send(second, { hello: proof })
    await node.expect('proofFailed', { peer: raw.identity.address })
  })

  it('may be by the key of a newer card, which comes with it', async () => {
    await using world = new World()
    const { node, raw } = await start(world)
    const before = cardOf(raw)
    await node.channels.open(node.address, raw.identity.address, before)
    const key = PrivateKey.generate('ed25519')
    const newer = await raw.identity.card(raw.contactLink, {
      channelKey: key.publicKey.raw,
      previousSequence: before.card.sequence,
    })
    const connId = await raw.accept()
    const signedCard = encodeSignedCard(newer)
    await raw.send(connId, { hello: await raw.hello(connId, node, ACCEPTOR, { key, signedCard }) })
    await node.expect('opened')
  })
})
