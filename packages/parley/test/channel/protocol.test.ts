import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrivateKey, sha256 } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import {
  type ChannelMessage,
  type ChannelRole,
  decodeChannelMessage,
  decodeChannelRequest,
  encodeChannelMessage,
  encodeChannelRequest,
  type Frame,
  MAX_CHANNEL_MESSAGE,
  MAX_ENVELOPE,
  type OutgoingEnvelope,
  Packer,
  packAgain,
  type Reassembly,
  receiveFrame,
  signChannelRequest,
  signProof,
  verifyChannelRequest,
  verifyProof,
} from '../../src/channel/protocol/index.ts'

/** Records as object literals are. */
const record: typeof fc.record = (model: object, constraints: object = {}) =>
  fc.record(model as never, { ...constraints, noNullPrototype: true } as never) as never

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const address = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' })
const part = fc.uint8Array({ minLength: 1, maxLength: 200 })
const frame: fc.Arbitrary<Frame> = fc.oneof(
  record({ type: fc.constant('whole' as const), seq: number, id: bytesOf(16), bytes: part }),
  record({
    type: fc.constant('first' as const),
    seq: number,
    id: bytesOf(16),
    bytes: part,
    total: fc.integer({ min: 201, max: MAX_ENVELOPE }),
    digest: bytesOf(32),
  }),
  record({
    type: fc.constant('part' as const),
    seq: number,
    bytes: part,
    offset: fc.integer({ min: 1, max: MAX_ENVELOPE }),
  }),
  record({ type: fc.constant('gone' as const), seq: number }),
)
const ack = record({
  stored: fc.nat(),
  taken: fc.nat(),
  refused: fc.array(record({ seq: number, status: fc.integer({ min: 1, max: 0x10000 }) }), { maxLength: 32 }),
})
const hello = record(
  {
    role: fc.constantFrom<ChannelRole>(0, 1),
    own: address,
    peer: address,
    signature: bytesOf(64),
    signedCard: part,
  },
  { requiredKeys: ['role', 'own', 'peer', 'signature'] },
)
const message: fc.Arbitrary<ChannelMessage> = fc.oneof(
  record(
    { number, ack, frames: fc.array(frame, { minLength: 1, maxLength: 20 }) },
    { requiredKeys: ['number', 'frames'] },
  ),
  record(
    {
      hello,
      ack,
      resend: number,
      close: fc.constantFrom('moved' as const, 'refused' as const, 'protocol' as const, 'superseded' as const),
    },
    { requiredKeys: [] },
  ),
)

describe('channel messages', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(message, (value) => assert.deepEqual(decodeChannelMessage(encodeChannelMessage(value)), value)),
    )
  })

  it('are read, or refused with DecodeError, whatever the bytes are', () => {
    const mutated = fc.tuple(message, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encodeChannelMessage(value)
      if (bytes.length > 0) bytes[at % bytes.length] = byte
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          decodeChannelMessage(bytes)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('skip fields that are not known', () => {
    const unknown = Uint8Array.of(0x7a, 3, 1, 2, 3)
    const known = encodeChannelMessage({ number: 7 })
    assert.deepEqual(decodeChannelMessage(Buffer.concat([known, unknown])), { number: 7 })
  })

  const frames = (list: readonly object[]) => encodeChannelMessage({ number: 1, frames: list as Frame[] })
  const id = new Uint8Array(16).fill(1)
  const digest = new Uint8Array(32)
  const one = Uint8Array.of(1)
  for (const [what, bytes] of [
    ['longer than a message of the agent', new Uint8Array(MAX_CHANNEL_MESSAGE + 1)],
    ['with envelopes and no number', encodeChannelMessage({ frames: [{ type: 'gone', seq: 1 }] })],
    ['with number 0', Uint8Array.of(0x08, 0)],
    ['with an envelope at place 0', frames([{ type: 'gone', seq: 0 }])],
    ['with an id of another length', frames([{ type: 'whole', seq: 1, id: one, bytes: one }])],
    ['with an empty envelope', frames([{ type: 'whole', seq: 1, id, bytes: new Uint8Array() }])],
    [
      'with a total that is no more than the part',
      frames([{ type: 'first', seq: 1, id, bytes: one, total: 1, digest }]),
    ],
    ['with a total above 3 MiB', frames([{ type: 'first', seq: 1, id, bytes: one, total: MAX_ENVELOPE + 1, digest }])],
    ['with a digest of another length', frames([{ type: 'first', seq: 1, id, bytes: one, total: 9, digest: one }])],
    ['with a part at offset 0', frames([{ type: 'part', seq: 1, bytes: one, offset: 0 }])],
  ] as const) {
    it(`are refused ${what}`, () => assert.throws(() => decodeChannelMessage(bytes), DecodeError))
  }
})

describe('channel requests', () => {
  const key = PrivateKey.generate('ed25519')
  const target = { contactLink: 'https://smp.example.com/a#x', keyAgreement: new Uint8Array(32).fill(9) }
  const request = signChannelRequest(key, target, { signedCard: Uint8Array.of(1, 2, 3), issuedAt: 1_800_000_000_000 })
  const raw = key.publicKey.raw

  it('have one encoding', () => {
    const bytes = encodeChannelRequest(request)
    const read = decodeChannelRequest(bytes)
    assert.deepEqual(Buffer.from(encodeChannelRequest(read)), Buffer.from(bytes))
    assert.equal(read.issuedAt, request.issuedAt)
    assert.throws(() => decodeChannelRequest(Buffer.concat([bytes, Uint8Array.of(0x20, 1)])), DecodeError)
    assert.throws(() => decodeChannelRequest(Buffer.concat([bytes, bytes])), DecodeError)
    assert.throws(() => decodeChannelRequest(bytes.subarray(1)), DecodeError)
    assert.throws(() => decodeChannelRequest(new Uint8Array(20_000)), DecodeError)
  })

  it('hold for one link, one key agreement, one time and one key', () => {
    assert.equal(verifyChannelRequest(raw, target, request), true)
    assert.equal(verifyChannelRequest(raw, { ...target, contactLink: `${target.contactLink}y` }, request), false)
    assert.equal(verifyChannelRequest(raw, { ...target, keyAgreement: new Uint8Array(32) }, request), false)
    assert.equal(verifyChannelRequest(raw, target, { ...request, issuedAt: request.issuedAt + 1 }), false)
    assert.equal(verifyChannelRequest(PrivateKey.generate('ed25519').publicKey.raw, target, request), false)
    assert.equal(verifyChannelRequest(raw, target, { ...request, signature: new Uint8Array(64) }), false)
  })
})

describe('channel proofs', () => {
  it('hold for one connection, one role and two addresses', () => {
    const key = PrivateKey.generate('ed25519')
    const statement = { ratchetAdHash: new Uint8Array(32).fill(1), role: 0, own: 'ab', peer: 'c' } as const
    const signature = signProof(key, statement)
    const raw = key.publicKey.raw
    assert.equal(verifyProof(raw, statement, signature), true)
    for (const change of [
      { ratchetAdHash: new Uint8Array(32).fill(2) },
      { role: 1 as const },
      { own: 'c', peer: 'ab' },
      // The same letters, cut elsewhere.
      { own: 'a', peer: 'bc' },
    ]) {
      assert.equal(verifyProof(raw, { ...statement, ...change }, signature), false)
    }
    assert.equal(verifyProof(PrivateKey.generate('ed25519').publicKey.raw, statement, signature), false)
  })
})

/** What a receiver makes of frames. */
function receiveAll(frames: readonly Frame[]): { id: string; bytes: Uint8Array }[] {
  let state: Reassembly = { seq: 0 }
  let parts: Uint8Array[] = []
  const received: { id: string; bytes: Uint8Array }[] = []
  for (const frame of frames) {
    const result = receiveFrame(state, frame)
    assert.notEqual(result.type, 'violation')
    if (result.type === 'violation') break
    state = result.next
    if (result.type === 'gone') parts = []
    if (result.type === 'envelope') received.push({ id: Buffer.from(result.id).toString('hex'), bytes: result.bytes })
    if (result.type !== 'part') continue
    parts.push(result.bytes)
    if (!result.complete) continue
    const bytes = Buffer.concat(parts)
    parts = []
    assert.deepEqual(Buffer.from(sha256(bytes)), Buffer.from(result.complete.digest))
    received.push({ id: Buffer.from(result.complete.id).toString('hex'), bytes })
  }
  return received
}

function pack(envelopes: readonly OutgoingEnvelope[]) {
  const messages: { frames: Frame[]; start: { seq: number; offset: number }; end: { seq: number; offset: number } }[] =
    []
  let position = { seq: 1, offset: 0 }
  while (position.seq <= envelopes.length) {
    const packer = new Packer()
    const start = position
    for (;;) {
      const envelope = envelopes[position.seq - 1]
      if (!envelope) break
      const reached = packer.add(envelope, position.offset)
      if (reached === position.offset) break
      position = reached === undefined ? { seq: position.seq + 1, offset: 0 } : { seq: position.seq, offset: reached }
      if (reached !== undefined) break
    }
    assert.ok(packer.frames.length > 0, 'something fits into an empty message')
    messages.push({ frames: packer.frames, start, end: position })
  }
  return messages
}

const envelopes = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 500 }) },
      { weight: 2, arbitrary: fc.integer({ min: 12_000, max: 15_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((lengths) =>
    lengths.map((length, i): OutgoingEnvelope & { readonly bytes: Uint8Array } => ({
      seq: i + 1,
      id: Buffer.alloc(16, i + 1),
      bytes: new Uint8Array(length).fill(i),
    })),
  )

describe('packing', () => {
  it('fills messages that fit, which the receiver puts together again', () => {
    fc.assert(
      fc.property(envelopes, (list) => {
        const messages = pack(list)
        for (const { frames } of messages) {
          const message = { number: Number.MAX_SAFE_INTEGER, frames }
          const bytes = encodeChannelMessage(message)
          assert.ok(bytes.length <= MAX_CHANNEL_MESSAGE)
          assert.deepEqual(decodeChannelMessage(bytes).frames?.length, frames.length)
        }
        const received = receiveAll(messages.flatMap(({ frames }) => frames))
        assert.deepEqual(
          received.map(({ id, bytes }) => [id, bytes.length]),
          list.map(({ id, bytes }) => [Buffer.from(id).toString('hex'), bytes.length]),
        )
        // Many small ones share a message.
        const total = list.reduce((sum, { bytes }) => sum + bytes.length + 90, 0)
        assert.ok(messages.length <= 2 * Math.ceil(total / (MAX_CHANNEL_MESSAGE - 2000)) + 1)
      }),
      { numRuns: 200 },
    )
  })

  it('makes the same frames when a message is sent again, also with one whose time is over', () => {
    fc.assert(
      fc.property(envelopes, fc.array(fc.nat(39), { maxLength: 5 }), fc.nat(), (list, over, cut) => {
        const messages = pack(list)
        const from = (seq: number, source: readonly OutgoingEnvelope[]) => source.slice(seq - 1)
        for (const { frames, start, end } of messages) {
          assert.deepEqual(packAgain(from(start.seq, list), start, end), frames)
        }
        // After some message the time of some envelopes is over, and the rest is sent again.
        const rest = cut % messages.length
        const changed = list.map(({ seq, id, bytes }) => ({ seq, id, ...(!over.includes(seq - 1) && { bytes }) }))
        const frames = messages.flatMap((message, i) =>
          i < rest ? message.frames : packAgain(from(message.start.seq, changed), message.start, message.end),
        )
        const received = receiveAll(frames)
        for (const { id, bytes } of received) {
          assert.equal(bytes.length, list[(Buffer.from(id, 'hex')[0] ?? 0) - 1]?.bytes.length)
        }
        const ids = received.map(({ id }) => id)
        for (const { seq, id, bytes } of changed) {
          if (bytes) assert.ok(ids.includes(Buffer.from(id).toString('hex')), `envelope ${seq}`)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('a receiver of frames', () => {
  const id = new Uint8Array(16).fill(1)
  const bytes = new Uint8Array(10)
  const digest = new Uint8Array(32)
  const assembly = { id, total: 30, digest, length: 10 }
  const whole: Frame = { type: 'whole', seq: 6, id, bytes }
  const violations: readonly (readonly [string, Reassembly, Frame])[] = [
    ['an envelope out of order', { seq: 4 }, whole],
    ['an envelope again', { seq: 6 }, whole],
    ['another envelope within one', { seq: 5, assembly }, whole],
    ['another first part', { seq: 5, assembly }, { type: 'first', seq: 6, id, bytes, total: 30, digest }],
    ['a part of nothing', { seq: 5 }, { type: 'part', seq: 6, bytes, offset: 10 }],
    ['a part at another place', { seq: 5, assembly }, { type: 'part', seq: 6, bytes, offset: 11 }],
    ['a part again', { seq: 5, assembly }, { type: 'part', seq: 6, bytes, offset: 9 }],
    ['more than the whole', { seq: 5, assembly }, { type: 'part', seq: 6, bytes: new Uint8Array(21), offset: 10 }],
    ['the end of one that is not there yet', { seq: 4 }, { type: 'gone', seq: 6 }],
  ]
  for (const [what, state, frame] of violations) {
    it(`does not take ${what}`, () => assert.deepEqual(receiveFrame(state, frame), { type: 'violation' }))
  }

  it('forgets parts of what is gone', () => {
    assert.deepEqual(receiveFrame({ seq: 5, assembly }, { type: 'gone', seq: 6 }), { type: 'gone', next: { seq: 6 } })
    const state = { seq: 6 }
    assert.deepEqual(receiveFrame(state, { type: 'gone', seq: 6 }), { type: 'nothing', next: state })
  })
})
