import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  boolText,
  bytesText,
  DecodeError,
  EncodeError,
  fromBase64url,
  int64Text,
  listText,
  optionalText,
  type TextCodec,
  toBase64url,
  toBase64urlUnpadded,
  utcTimeText,
  word16Text,
  word32Text,
} from '@parley/core/encoding'
import fc from 'fast-check'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 })

/** Texts near the forms that the decoders accept. */
const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(...'+-0123456789TFZ:.,=_Aa/ '), maxLength: 30 }),
)

function roundTrips<T>(codec: TextCodec<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      assert.deepEqual(codec.parse(codec.format(value)), value)
    }),
  )
  fc.assert(
    fc.property(texts, fc.nat(99), (text, offset) => {
      let value: T
      try {
        value = codec.parse(text, offset)
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
        assert.ok(error.offset >= offset && error.offset <= offset + text.length)
        return
      }
      assert.deepEqual(codec.parse(codec.format(value)), value)
    }),
    { numRuns: 1000 },
  )
}

describe('base64url', () => {
  it('is read with and without padding', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const padded = toBase64url(value)
        assert.equal(padded.length % 4, 0)
        assert.deepEqual(new Uint8Array(fromBase64url(padded)), value)
        assert.deepEqual(new Uint8Array(fromBase64url(toBase64urlUnpadded(value))), value)
        assert.equal(padded, Buffer.from(value).toString('base64').replaceAll('+', '-').replaceAll('/', '_'))
      }),
    )
  })

  it('has one text for each value', () => {
    fc.assert(
      fc.property(texts, (text) => {
        let value: Uint8Array
        try {
          value = fromBase64url(text)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
          return
        }
        assert.equal(toBase64urlUnpadded(value), text.replace(/=*$/, ''))
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses other alphabets, wrong padding and bits after the end', () => {
    for (const text of ['', '=', 'A', 'AA=', 'AAA==', 'AAAA=', 'A+AA', 'A/AA', 'AA AA', 'AB', 'AAB', 'AA==AA==']) {
      assert.throws(() => fromBase64url(text, 7), { name: 'DecodeError', offset: 7 }, text)
    }
  })
})

describe('text encodings', () => {
  it('round-trip', () => {
    roundTrips(boolText, fc.boolean())
    roundTrips(word16Text, fc.nat(0xffff))
    roundTrips(word32Text, fc.nat(0xffffffff))
    roundTrips(int64Text, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
    const times = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    roundTrips(utcTimeText, times)
    roundTrips(listText(word16Text), fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 5 }))
    roundTrips(optionalText(word16Text), fc.option(fc.nat(0xffff), { nil: undefined }))
  })

  it('refuse numbers out of range', () => {
    for (const text of ['65536', '-1', '+1', '', '1.0', '0x1', ' 1'])
      assert.throws(() => word16Text.parse(text), DecodeError)
    assert.throws(() => word32Text.parse('4294967296'), DecodeError)
    assert.equal(int64Text.parse('+9223372036854775807'), 2n ** 63n - 1n)
    assert.equal(int64Text.parse('-9223372036854775808'), -(2n ** 63n))
    assert.throws(() => int64Text.parse('9223372036854775808'), DecodeError)
    assert.throws(() => word16Text.format(65536), EncodeError)
    assert.throws(() => word16Text.format(1.5), EncodeError)
    assert.throws(() => int64Text.format(2n ** 63n), EncodeError)
  })

  it('show as many decimals of a second as there are', () => {
    assert.equal(utcTimeText.format(new Date('2026-11-22T10:00:00Z')), '2026-11-22T10:00:00Z')
    assert.equal(utcTimeText.format(new Date('2026-11-22T10:00:10.120Z')), '2026-11-22T10:00:10.12Z')
    assert.equal(utcTimeText.parse('2026-11-22T10:00:00.123456789Z').getTime() % 1000, 123)
    for (const text of ['2026-02-30T10:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T10:00:00', '2026-01-01']) {
      assert.throws(() => utcTimeText.parse(text), DecodeError)
    }
    assert.throws(() => utcTimeText.format(new Date(Number.NaN)), EncodeError)
    assert.throws(() => utcTimeText.format(new Date(8.64e15)), EncodeError)
  })

  it('separate lists with commas and name the place of a wrong item', () => {
    assert.equal(listText(bytesText).format([Uint8Array.of(1), Uint8Array.of(2)]), 'AQ==,Ag==')
    assert.throws(() => listText(word16Text).parse('1,x,3', 10), { name: 'DecodeError', offset: 12 })
    assert.throws(() => listText(word16Text).parse(''), DecodeError)
    assert.throws(() => listText(word16Text).format([]), EncodeError)
  })
})
