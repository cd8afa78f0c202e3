import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  type ChannelMessage,
  type Frame,
  MAX_ENVELOPE,
  STATUS_CORRUPTED,
  WINDOW,
} from '../../src/channel/protocol/index.ts'
import { Identity, type TestNode, type TestNodeOptions, texts, World } from './fixture.ts'
import { RawPeer } from './raw-peer.ts'

const idOf = (n: number) => Buffer.alloc(16, n)
const whole = (seq: number, text = `envelope ${seq}`): Frame => ({
  type: 'whole',
  seq,
  id: idOf(seq),
  bytes: Buffer.from(text),
})
const numbered = (number: number, ...frames: Frame[]): ChannelMessage => ({ number, frames })

async function start(world: World, options: TestNodeOptions = {}) {
  const router = await world.router()
  const node = await world.node(new Identity('owner'), router, options)
  const raw = await RawPeer.start(world, new Identity('peer'), router)
  const connId = await raw.openChannel(node)
  await node.expect('opened')
  return { router, node, raw, connId }
}

function parts(bytes: Uint8Array, size: number, digest = createHash('sha256').update(bytes).digest()): Frame[] {
  const frames: Frame[] = []
  for (let offset = 0; offset < bytes.length; offset += size) {
    const part = bytes.subarray(offset, offset + size)
    if (offset === 0) frames.push({ type: 'first', seq: 1, id: idOf(1), bytes: part, total: bytes.length, digest })
    else frames.push({ type: 'part', seq: 1, bytes: part, offset })
  }
  return frames
}

async function sendTo(node: TestNode, raw: RawPeer, text: string, n: number): Promise<void> {
  const envelope = { id: idOf(n).toString('hex'), bytes: Buffer.from(text) }
  await node.channels.send(node.address, raw.identity.address, envelope)
}

describe('what a peer sends on a channel', { concurrency: 2 }, () => {
  it('is taken once and in order, and acknowledged', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world)
    await raw.send(connId, numbered(1, whole(1), whole(2)))
    // The message again, one with another place of a known envelope, and one out of order.
    await raw.send(connId, numbered(1, whole(1), whole(2)))
    await raw.send(connId, numbered(2, { ...whole(3), id: idOf(1) } as Frame, whole(4)))
    await raw.send(connId, numbered(4, whole(6)))
    const { resend } = await raw.messageWith((message) => message.resend !== undefined)
    assert.equal(resend, 3)
    await raw.send(connId, numbered(3, whole(5)))
    await raw.send(connId, numbered(4, whole(6)))
    const { ack } = await raw.messageWith((message) => message.ack?.taken === 6)
    assert.deepEqual(ack, { stored: 4, taken: 6, refused: [] })
    assert.deepEqual(
      node.received,
      [1, 2, 4, 5, 6].map((n) => `envelope ${n}`),
    )
  })

  it('is put together from parts, and refused when they do not make the whole', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world)
    const bytes = Buffer.from(texts(1000).join())
    const frames = parts(bytes, 3000, createHash('sha256').update('another').digest())
    for (const [i, frame] of frames.entries()) await raw.send(connId, numbered(i + 1, frame))
    await raw.send(connId, numbered(frames.length + 1, whole(2)))
    const { ack } = await raw.messageWith((message) => message.ack?.taken === 2)
    assert.deepEqual(ack?.refused, [{ seq: 1, status: STATUS_CORRUPTED }])
    assert.deepEqual(node.received, ['envelope 2'])
  })

  it('may end an envelope in the middle', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world)
    const [first, second] = parts(Buffer.alloc(9000), 3000) as [Frame, Frame]
    await raw.send(connId, numbered(1, first))
    await raw.send(connId, numbered(2, second))
    await raw.send(connId, numbered(3, { type: 'gone', seq: 1 }, whole(2)))
    await raw.messageWith((message) => message.ack?.taken === 2)
    assert.deepEqual(node.received, ['envelope 2'])
  })

  const [firstPart, secondPart] = parts(Buffer.alloc(9000), 3000) as [Frame, Frame]
  for (const [what, messages] of [
    ['an envelope out of order', [numbered(1, whole(2))]],
    ['another envelope within one', [numbered(1, firstPart, whole(1))]],
    ['a part again', [numbered(1, firstPart, secondPart, secondPart)]],
    ['more than it said', [numbered(1, firstPart, { ...secondPart, bytes: Buffer.alloc(7000) } as Frame)]],
    ['an acknowledgement of what was never sent', [{ ack: { stored: 1, taken: 0, refused: [] } }]],
    ['a wish for what was never sent', [{ resend: 5 }]],
    ['a number beyond the window', [{ number: WINDOW + 1 }]],
    [
      'an envelope above 3 MiB',
      [
        numbered(1, {
          type: 'first',
          seq: 1,
          id: idOf(1),
          bytes: Buffer.alloc(10),
          total: MAX_ENVELOPE + 1,
          digest: Buffer.alloc(32),
        }),
      ],
    ],
  ] as readonly (readonly [string, ChannelMessage[]])[]) {
    it(`ends the channel when it is ${what}`, async () => {
      await using world = new World()
      const { node, raw, connId } = await start(world)
      for (const message of messages) await raw.send(connId, message)
      const closed = await node.expect('closed')
      assert.equal(closed.reason, 'protocol')
      assert.equal((await raw.messageWith(({ close }) => close)).close, 'protocol')
      assert.equal((await node.agent.listConnections()).length, 1)
      assert.equal(node.channels.hasChannel(node.address, raw.identity.address), undefined)
      assert.ok(!node.received.includes('envelope 2'))
    })
  }

  it('is bounded when the application takes nothing: the window closes', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world, { takes: false, limits: { inboxEnvelopes: 5, ackDelay: 1 } })
    for (let n = 1; n <= WINDOW + 6; n++) await raw.send(connId, numbered(n, whole(n)))
    const given = []
    for (let n = 1; n <= WINDOW; n++) given.push(await node.expect('envelope'))
    // Nothing above what was acknowledged and the window comes in: the peer breaks the rules.
    assert.equal((await node.expect('closed')).reason, 'protocol')
    assert.ok(node.received.length < 5 + WINDOW, `${node.received.length}`)
  })

  it('is acknowledged further when the application takes it', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world, { takes: false, limits: { inboxEnvelopes: 2, ackDelay: 1 } })
    for (let n = 1; n <= 4; n++) await raw.send(connId, numbered(n, whole(n)))
    const given = []
    for (let n = 1; n <= 4; n++) given.push(await node.expect('envelope'))
    for (const envelope of given.slice(0, 2)) await envelope.taken()
    await given[3]?.refuse(7)
    await given[2]?.taken()
    const { ack } = await raw.messageWith((message) => message.ack?.taken === 4)
    assert.deepEqual(ack, { stored: 4, taken: 4, refused: [{ seq: 4, status: 7 }] })
  })

  it('decides what is told: taken, or refused with a status', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world)
    await sendTo(node, raw, 'one', 1)
    await sendTo(node, raw, 'two', 2)
    const { number = 0 } = await raw.messageWith((message) => message.frames?.some(({ seq }) => seq === 2))
    await raw.send(connId, { ack: { stored: number, taken: 2, refused: [{ seq: 2, status: 14 }] } })
    const names = { local: node.address, peer: raw.identity.address }
    assert.deepEqual(await node.expect('delivered'), { ...names, id: '01'.repeat(16) })
    assert.deepEqual(await node.expect('notDelivered'), {
      ...names,
      id: '02'.repeat(16),
      reason: 'refused',
      status: 14,
    })
    assert.equal(node.channels.stateOf(names.local, names.peer, '02'.repeat(16)), 'refused')
  })

  it('may ask for messages again, which come with the same contents', async () => {
    await using world = new World()
    const { node, raw, connId } = await start(world)
    await sendTo(node, raw, 'x'.repeat(40_000), 1)
    const first: ChannelMessage[] = []
    while (first.length < 3) first.push(await raw.messageWith(({ number }) => number !== undefined))
    await raw.send(connId, { ack: { stored: 1, taken: 0, refused: [] }, resend: 2 })
    const again = [
      await raw.messageWith(({ number }) => number !== undefined),
      await raw.messageWith(({ number }) => number !== undefined),
    ]
    const bare = ({ number, frames }: ChannelMessage) => ({ number, frames })
    assert.deepEqual(again.map(bare), first.slice(1, 3).map(bare))
    assert.equal(node.channels.stateOf(node.address, raw.identity.address, '01'.repeat(16)), 'sent')
  })
})
