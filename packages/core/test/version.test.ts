import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DecodeError, decode, EncodeError, encode } from '@parley/core/encoding'
import {
  agreeVersion,
  intersectVersions,
  isCompatible,
  versionRange,
  versionRangeCodec,
  versionRangeFromText,
  versionRangeToText,
} from '@parley/core/version'
import fc from 'fast-check'

const ranges = fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(([a, b]) => versionRange(Math.min(a, b), Math.max(a, b)))

const smallRanges = fc.tuple(fc.nat(9), fc.nat(9)).map(([min, more]) => versionRange(min, min + more))

describe('version ranges', () => {
  it('agree on the highest version that both support', () => {
    fc.assert(
      fc.property(smallRanges, smallRanges, (a, b) => {
        const both = Array.from({ length: 20 }, (_, v) => v).filter((v) => isCompatible(v, a) && isCompatible(v, b))
        assert.equal(agreeVersion(a, b), both.at(-1))
        assert.deepEqual(agreeVersion(a, b), agreeVersion(b, a))
        const common = intersectVersions(a, b)
        assert.deepEqual(common && [common.min, common.max], both.length > 0 ? [both[0], both.at(-1)] : undefined)
      }),
    )
  })

  it('round-trip in both encodings', () => {
    fc.assert(
      fc.property(ranges, (range) => {
        assert.deepEqual(decode(versionRangeCodec, encode(versionRangeCodec, range)), range)
        assert.deepEqual(versionRangeFromText(versionRangeToText(range)), range)
      }),
    )
    assert.deepEqual(versionRangeFromText('4-4'), { min: 4, max: 4 })
    assert.equal(versionRangeToText({ min: 4, max: 4 }), '4')
  })

  it('refuse a minimum above the maximum', () => {
    assert.throws(() => versionRange(2, 1), RangeError)
    assert.throws(() => decode(versionRangeCodec, Uint8Array.of(0, 2, 0, 1)), { name: 'DecodeError', offset: 0 })
    for (const text of ['2-1', '', '-', '1-', '-1', '1-2-3', '65536', '1-65536', ' 1', 'v1']) {
      assert.throws(() => versionRangeFromText(text, 3), { name: 'DecodeError', offset: 3 }, text)
    }
    assert.throws(() => encode(versionRangeCodec, { min: 1, max: 65536 }), EncodeError)
  })

  it('throw only DecodeError for arbitrary input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), fc.string(), (bytes, text) => {
        for (const run of [() => decode(versionRangeCodec, bytes), () => versionRangeFromText(text)]) {
          try {
            const { min, max } = run()
            assert.ok(min <= max)
          } catch (error) {
            assert.ok(error instanceof DecodeError, String(error))
          }
        }
      }),
    )
  })
})
