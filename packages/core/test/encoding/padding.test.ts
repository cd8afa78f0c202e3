import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DecodeError, EncodeError, MAX_PADDED_CONTENT, PAD_OVERHEAD, pad, unpad } from '@parley/core/encoding'
import fc from 'fast-check'

describe('padding', () => {
  it('gives back the content, whatever room is left', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(200), (content, room) => {
        const padded = pad(content, content.length + PAD_OVERHEAD + room)
        assert.equal(padded.length, content.length + PAD_OVERHEAD + room)
        assert.deepEqual(new Uint8Array(unpad(padded)), content)
        assert.ok(padded.subarray(PAD_OVERHEAD + content.length).every((byte) => byte === 0x23))
      }),
    )
  })

  it('refuses content that does not fit', () => {
    assert.throws(() => pad(new Uint8Array(99), 100), EncodeError)
    assert.equal(pad(new Uint8Array(98), 100).length, 100)
    assert.throws(() => pad(new Uint8Array(MAX_PADDED_CONTENT + 1), 100_000), EncodeError)
    assert.equal(unpad(pad(new Uint8Array(MAX_PADDED_CONTENT), 100_000)).length, MAX_PADDED_CONTENT)
  })

  it('does not look at what fills the rest', () => {
    assert.deepEqual([...unpad(Uint8Array.of(0, 1, 65, 0, 255))], [65])
  })

  it('throws only DecodeError for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (padded) => {
        const length = ((padded[0] ?? 0) << 8) | (padded[1] ?? 0)
        if (padded.length >= PAD_OVERHEAD && length <= padded.length - PAD_OVERHEAD) {
          assert.equal(unpad(padded).length, length)
        } else assert.throws(() => unpad(padded), DecodeError)
      }),
      { numRuns: 1000 },
    )
  })
})
