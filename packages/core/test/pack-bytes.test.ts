import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packBytes } from '@parley/core/pack-bytes'
import fc from 'fast-check'

test('a value is copied with all its bytes in one buffer of their length', () => {
  const { tie } = fc.letrec((tie) => ({
    tie: fc.oneof(
      { maxDepth: 3 },
      fc.uint8Array({ maxLength: 20 }),
      fc.string(),
      fc.integer(),
      fc.constantFrom(null, undefined, true),
      fc.array(tie('tie'), { maxLength: 4 }),
      fc.record({ one: tie('tie'), other: tie('tie') }, { noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(tie, (value) => {
      const [packed, buffer] = packBytes(value)
      assert.deepEqual(packed, value)
      let length = 0
      for (const bytes of bytesIn(packed)) {
        assert.equal(bytes.buffer, buffer)
        length += bytes.length
      }
      assert.equal(buffer.byteLength, length)
    }),
  )
})

function bytesIn(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(bytesIn) : []
}
