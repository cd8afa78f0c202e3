import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EncodeError, equalBytes } from '@parley/core/encoding'
import {
  decodeBatch,
  decodeBrokerBlock,
  decodeCommandBlock,
  encodeBatch,
  encodeCommand,
  MAX_BATCH_LENGTH,
  packTransmissions,
  type SignedTransmission,
  transmissionLength,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { bytes, version } from './arbitraries.ts'
import { mutated, sameValue, throwsOnlyDecodeError } from './codec-properties.ts'

const ofLength = (length: number): SignedTransmission => ({ body: new Uint8Array(length) })

/** Transmissions of sizes that make blocks of one, of several and of none. */
const transmissions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 300 }) },
    { weight: 3, arbitrary: fc.integer({ min: 300, max: 9000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 16_300, max: 16_400 }) },
  ),
  { maxLength: 400, size: 'max' },
)

test('packing keeps the order, fills blocks from the right and reports what is too large', () => {
  fc.assert(
    fc.property(transmissions, version, (lengths, v) => {
      const items = lengths.map(ofLength)
      let next = 0
      const packed = packTransmissions(items, v)
      for (const [i, block] of packed.entries()) {
        if (block.type === 'large') {
          assert.equal(block.index, next++)
          assert.ok(transmissionLength(items[block.index] as SignedTransmission, v) + 2 > MAX_BATCH_LENGTH)
          continue
        }
        assert.equal(block.first, next)
        next += block.count
        assert.ok(block.content.length <= 1 + MAX_BATCH_LENGTH && block.count <= 255)
        const expected = items.slice(block.first, next).map((item) => transmissionLength(item, v))
        assert.deepEqual(
          decodeBatch(block.content).map(({ length }) => length),
          expected,
        )
        // The transmission before a block did not fit into it.
        const before = packed[i - 1]
        if (before?.type !== 'block') continue
        const last = transmissionLength(items[block.first - 1] as SignedTransmission, v) + 2
        assert.ok(block.count === 255 || block.content.length - 1 + last > MAX_BATCH_LENGTH)
      }
      assert.equal(next, items.length)
    }),
    { numRuns: 60 },
  )
})

test('300 subscriptions take blocks of 30, 135 and 135: spec/smp.md §2.4', () => {
  const session = { version: 18, sessionId: new Uint8Array(32) }
  const authorization = { authenticator: new Uint8Array(64) }
  const id = new Uint8Array(24)
  const { body } = encodeCommand({ corrId: id, entityId: id, message: { type: 'SUB' } }, session)
  const packed = packTransmissions(Array(300).fill({ authorization, body }), session.version)
  assert.deepEqual(
    packed.map((block) => block.type === 'block' && block.count),
    [30, 135, 135],
  )
  const older = packTransmissions([{ authorization, body }], 15)
  assert.equal(older[0]?.type === 'block' && older[0].content.length, 1 + 2 + 65 + 50 + 3)
})

test('no more than 255 transmissions are in a block', () => {
  const packed = packTransmissions(Array(256).fill(ofLength(0)), 18)
  assert.deepEqual(
    packed.map((block) => block.type === 'block' && block.count),
    [1, 255],
  )
  assert.throws(() => encodeBatch(Array(256).fill(ofLength(0)), 18), EncodeError)
  assert.throws(() => encodeBatch([], 18), EncodeError)
})

test('the largest transmission fills a block, one byte more is refused', () => {
  const largest = ofLength(MAX_BATCH_LENGTH - 3)
  assert.equal(encodeBatch([largest], 18).length, 1 + MAX_BATCH_LENGTH)
  assert.throws(() => encodeBatch([ofLength(MAX_BATCH_LENGTH - 2)], 18), EncodeError)
  assert.deepEqual(packTransmissions([ofLength(MAX_BATCH_LENGTH - 2)], 18), [{ type: 'large', index: 0 }])
})

const NONE = new Uint8Array()
const session = { version: 18, sessionId: new Uint8Array(32) }

test('a block that is no batch is one BLOCK, a bad transmission leaves the others', () => {
  const block = { ok: false, corrId: NONE, entityId: NONE, error: { type: 'BLOCK' } }
  for (const content of [NONE, Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(1, 0, 1, 0, 0)]) {
    sameValue(decodeCommandBlock(content, session), [block])
    sameValue(decodeBrokerBlock(content, session), [block])
  }
  const { body } = encodeCommand({ corrId: NONE, entityId: NONE, message: { type: 'PING' } }, session)
  const ping = encodeBatch([{ body }], 18).subarray(1)
  const content = concatBytes(Uint8Array.of(3), ping, Uint8Array.of(0, 1, 9), ping)
  const [first, second, third] = decodeCommandBlock(content, session)
  assert.ok(first?.ok && third?.ok)
  sameValue(second, block)
})

test('batches of any bytes round trip, other bytes give DecodeError', () => {
  const items = fc.array(bytes(), { minLength: 1, maxLength: 20 })
  const valid = items.map((all) =>
    encodeBatch(
      all.map((body) => ({ body })),
      18,
    ),
  )
  fc.assert(
    fc.property(items, (all) => {
      const decoded = decodeBatch(
        encodeBatch(
          all.map((body) => ({ body })),
          18,
        ),
      )
      assert.equal(decoded.length, all.length)
      assert.ok(decoded.every((item, i) => equalBytes(item.subarray(1), all[i] as Uint8Array)))
    }),
  )
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated(valid)), (content) => {
      throwsOnlyDecodeError(() => decodeBatch(content))
      decodeCommandBlock(content, session)
      decodeBrokerBlock(content, session)
    }),
  )
})
