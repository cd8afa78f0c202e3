import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteReader } from '@parley/core/encoding'
import fc from 'fast-check'
import { decodeOperations, encodeOperations } from '../../src/router/sqlite/operation-codec.ts'
import type { Operation } from '../../src/router/sqlite/operations.ts'

const id = fc.uint8Array({ maxLength: 255 })
const long = fc.uint8Array({ maxLength: 20_000 })
const number = fc.nat(Number.MAX_SAFE_INTEGER)
const text = fc.string({ maxLength: 10 })
const notice = fc.option(fc.integer({ min: -1, max: 1_000_000 }), { nil: null })
const link = fc.record({ linkId: id, fixed: long, user: long })
const row = fc.record({
  rcvId: id,
  sndId: id,
  rcvKeys: long,
  rcvDhSecret: id,
  sndKey: id,
  mode: text,
  status: text,
  notice,
  updatedDay: number,
})
const message = fc.record({
  number,
  msgId: id,
  timestamp: number,
  notification: fc.boolean(),
  body: fc.option(long, { nil: null }),
})
const kind = fc.constantFrom('recipient', 'sender', 'link')

const asks: Record<Operation['name'], fc.Arbitrary<unknown>> = {
  getQueues: fc.record({ kind, ids: fc.array(id, { maxLength: 300 }) }),
  addQueue: fc.record({ row, link: fc.option(link, { nil: undefined }) }),
  updateQueue: fc.record({
    queue: number,
    change: fc.record({ rcvKeys: long, sndKey: id, status: text, notice, updatedDay: number }, { requiredKeys: [] }),
  }),
  setLink: fc.record({ queue: number, link }),
  deleteLink: fc.record({ queue: number }),
  deleteQueue: fc.record({ queue: number }),
  getLinkData: fc.record({ queue: number }),
  addMessage: fc.record({ queue: number, message }),
  deleteMessages: fc.record({ messages: fc.array(number, { maxLength: 300 }) }),
  getMessage: fc.record({ message: number }),
  expireMessages: fc.record({ before: number, from: number, limit: number }),
  inspectQueues: fc.record({ limit: number }),
  count: fc.constant({}),
}
const operation = fc.oneof(...Object.entries(asks).map(([name, ask]) => ask.map((value) => ({ name, ask: value }))))

/** Byte arrays of any class as text, absent and undefined fields as the same. */
function plain(value: unknown): string {
  return JSON.stringify(value, (_key, field) => {
    if (field instanceof Uint8Array) return Buffer.from(field).toString('hex')
    return field?.type === 'Buffer' ? Buffer.from(field.data).toString('hex') : field
  })
}

describe('operations of the store', () => {
  it('come to the other thread as they were, through shared memory or beside it', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), fc.constantFrom(64, 200_000), (batch, size) => {
        const shared = Buffer.from(new SharedArrayBuffer(size))
        const encoded = encodeOperations(batch as unknown as Operation[], shared)
        const bytes = typeof encoded === 'number' ? shared.subarray(0, encoded) : encoded
        const reader = new ByteReader(bytes)
        const decoded = decodeOperations(reader)
        reader.expectEnd()
        assert.equal(plain(decoded), plain(batch))
      }),
      { numRuns: 200 },
    )
  })
})
