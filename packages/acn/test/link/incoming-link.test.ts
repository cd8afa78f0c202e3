import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { FrameChannel } from '@parley/acn/peer'
import { AcnStatusError, encodeEnvelope, STATUS } from '@parley/acn/protocol'
import fc from 'fast-check'
import { type LinkHandlers, type ReceivedByLink, serveLinks } from '../../src/link/index.ts'
import {
  decodeLinkAnswer,
  encodeLinkEnvelope,
  encodeLinkQuestion,
  LINK_PROTOCOL,
  LINK_WINDOW,
} from '../../src/link/link-frames.ts'
import { TestPeer } from '../peer/test-peer.ts'

/** Two peers; the second takes envelopes from links as `receive` says. */
async function linked(
  t: TestContext,
  receive: (received: ReceivedByLink) => Promise<void>,
  drained: LinkHandlers['drained'] = async () => {},
) {
  const taker = await TestPeer.start()
  t.after(() => taker.stop())
  await serveLinks(taker.host, { receive, register: async () => undefined, drained })
  const sender = await TestPeer.start({ entryPeers: [taker.multiaddr] })
  t.after(() => sender.stop())
  await sender.host.join()
  return { taker, sender, channel: await sender.host.openChannel(taker.host.peerId, LINK_PROTOCOL) }
}

const idOf = (number: number) => number.toString(16).padStart(32, '0')

function frame({ record }: TestPeer, number: number, position: number, to = 'to'): Uint8Array {
  const message = Buffer.from(String(number))
  const bytes = encodeEnvelope({ to, sender: record.address, protocolId: 'a/b:1.0.0', message, uri: '' })
  return encodeLinkEnvelope({ id: idOf(number), position, bytes, record })
}

async function statuses(channel: FrameChannel, count: number): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  while (answers.size < count) {
    const body = await channel.read(AbortSignal.timeout(10_000))
    assert.ok(body, 'link has ended')
    const { id, status } = decodeLinkAnswer(body)
    answers.set(id, status.code)
  }
  return answers
}

test('what comes behind one that was refused is refused too, until the pair begins again', async (t) => {
  const taken: string[] = []
  const { sender, channel } = await linked(t, async ({ envelope, onQueued }) => {
    const word = Buffer.from(envelope.message).toString()
    if (word === '2' && !taken.includes('late')) {
      taken.push('late')
      throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'full')
    }
    taken.push(word)
    onQueued()
  })
  for (const number of [0, 1, 2, 3, 4]) await channel.write(frame(sender, number, number))
  await channel.write(frame(sender, 9, 0, 'another'))
  const first = await statuses(channel, 6)
  const codes = [0, 1, 2, 3, 4, 9].map((number) => first.get(idOf(number)))
  const { SUCCESS, ERROR_AGENT_NOT_READY: REFUSED } = STATUS
  assert.deepEqual(codes, [SUCCESS, SUCCESS, REFUSED, REFUSED, REFUSED, SUCCESS])
  for (const number of [2, 3, 4]) await channel.write(frame(sender, number, number - 2))
  assert.deepEqual([...(await statuses(channel, 3)).values()], [SUCCESS, SUCCESS, SUCCESS])
  assert.deepEqual(
    taken.filter((word) => word !== '9'),
    ['0', '1', 'late', '2', '3', '4'],
  )
})

test('an envelope without those before it is not taken', async (t) => {
  const { sender, channel } = await linked(t, async ({ onQueued }) => onQueued())
  await channel.write(frame(sender, 1, 1))
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.ERROR_AGENT_NOT_READY])
})

test('the record must be of the sending peer', async (t) => {
  const { taker, sender, channel } = await linked(t, async ({ onQueued }) => onQueued())
  const { record } = taker
  const bytes = encodeEnvelope({ to: 'to', sender: record.address, protocolId: '', message: new Uint8Array(), uri: '' })
  await channel.write(encodeLinkEnvelope({ id: idOf(1), position: 0, bytes, record }))
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.ERROR_WRONG_PUBLIC_KEY])
  await channel.write(
    encodeLinkEnvelope({ id: idOf(2), position: 0, bytes: Buffer.from('ff', 'hex'), record: sender.record }),
  )
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.ERROR_DECODE])
})

test('whether something still waits is told to the peer of its sender alone', async (t) => {
  const asked: string[][] = []
  const { taker, sender, channel } = await linked(
    t,
    async () => {},
    async (...pair) => void asked.push(pair),
  )
  const { address } = sender.record
  await channel.write(encodeLinkQuestion(idOf(1), { to: 'to', record: sender.record }))
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.SUCCESS])
  await channel.write(encodeLinkQuestion(idOf(2), { to: 'to', record: taker.record }))
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.ERROR_WRONG_PUBLIC_KEY])
  assert.deepEqual(asked, [['to', address]])
})

test('a receiver that does not answer makes the sender wait: what is held is bounded', async (t) => {
  let held = 0
  const go = Promise.withResolvers<void>()
  const full = Promise.withResolvers<void>()
  const { sender, channel } = await linked(t, async ({ onQueued }) => {
    onQueued()
    if (++held === LINK_WINDOW + 1) full.resolve()
    await go.promise
  })
  const count = LINK_WINDOW * 3
  const written = (async () => {
    for (let number = 0; number < count; number++) await channel.write(frame(sender, number, number))
  })()
  const answered = statuses(channel, count)
  await full.promise
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(held, LINK_WINDOW + 1)
  go.resolve()
  await written
  assert.deepEqual(new Set((await answered).values()), new Set([STATUS.SUCCESS]))
})

test('whatever else comes resets the stream, and others are served on', async (t) => {
  const { taker, sender, channel } = await linked(t, async ({ onQueued }) => onQueued())
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    // An envelope without an id, a status, and one whose extension is cut off.
    fc.constantFrom(
      Buffer.from('2a021200', 'hex'),
      Buffer.from('4a020a00', 'hex'),
      frame(sender, 1, 0).subarray(0, -1),
    ),
  )
  await fc.assert(
    fc.asyncProperty(noise, async (body) => {
      const other = await sender.host.openChannel(taker.host.peerId, LINK_PROTOCOL)
      await other.write(body)
      await other.closed
    }),
    { numRuns: 30 },
  )
  await channel.write(frame(sender, 1, 0))
  assert.deepEqual([...(await statuses(channel, 1)).values()], [STATUS.SUCCESS])
})
