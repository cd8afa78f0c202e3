import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteReader, ByteWriter, DecodeError, decode, EncodeError, encode } from '@parley/core/encoding'
import fc from 'fast-check'

/** One field of the binary encoding: how to write it and how to read it back. */
interface Field {
  write(writer: ByteWriter): void
  read(reader: ByteReader): void
}

const same = (actual: unknown, expected: unknown) => assert.deepEqual(actual, expected)
const sameBytes = (actual: Uint8Array, expected: Uint8Array) => same(new Uint8Array(actual), new Uint8Array(expected))

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const field = <T>(values: fc.Arbitrary<T>, make: (value: T) => Field): fc.Arbitrary<Field> => values.map(make)

const fields: fc.Arbitrary<Field> = fc.oneof(
  field(fc.nat(255), (v) => ({ write: (w) => w.byte(v), read: (r) => same(r.byte(), v) })),
  field(fc.nat(0xffff), (v) => ({ write: (w) => w.word16(v), read: (r) => same(r.word16(), v) })),
  field(fc.nat(0xffffffff), (v) => ({ write: (w) => w.word32(v), read: (r) => same(r.word32(), v) })),
  field(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (v) => ({
    write: (w) => w.int64(v),
    read: (r) => same(r.int64(), v),
  })),
  field(fc.boolean(), (v) => ({ write: (w) => w.bool(v), read: (r) => same(r.bool(), v) })),
  field(bytes(40), (v) => ({ write: (w) => w.bytes(v), read: (r) => sameBytes(r.bytes(v.length), v) })),
  field(bytes(255), (v) => ({ write: (w) => w.shortString(v), read: (r) => sameBytes(r.shortString(), v) })),
  field(bytes(700), (v) => ({ write: (w) => w.large(v), read: (r) => sameBytes(r.large(), v) })),
  field(fc.string({ unit: 'grapheme', maxLength: 20 }), (v) => ({
    write: (w) => w.text(v),
    read: (r) => same(r.text(), v),
  })),
  field(fc.option(fc.nat(0xffff), { nil: undefined }), (v) => ({
    write: (w) => w.maybe(v, (writer, value) => writer.word16(value)),
    read: (r) =>
      same(
        r.maybe((reader) => reader.word16()),
        v,
      ),
  })),
  field(fc.array(fc.nat(255), { maxLength: 255 }), (v) => ({
    write: (w) => w.list(v, (writer, value) => writer.byte(value)),
    read: (r) =>
      same(
        r.list((reader) => reader.byte()),
        v,
      ),
  })),
  field(fc.array(fc.nat(255), { minLength: 1, maxLength: 9 }), (v) => ({
    write: (w) => w.nonEmpty(v, (writer, value) => writer.byte(value)),
    read: (r) =>
      same(
        r.nonEmpty((reader) => reader.byte()),
        v,
      ),
  })),
  fc.constant<Field>({ write: (w) => w.literal('SUB '), read: (r) => r.literal('SUB ') }),
)

describe('ByteWriter and ByteReader', () => {
  it('read back what was written, one field after the other, from any capacity', () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 20 }), fc.nat(64), (list, capacity) => {
        const writer = new ByteWriter(capacity)
        for (const one of list) one.write(writer)
        const { length } = writer
        const written = writer.finish()
        assert.equal(written.length, length)
        const reader = new ByteReader(written)
        for (const one of list) one.read(reader)
        assert.equal(reader.remaining, 0)
        assert.equal(reader.offset, length)
        reader.expectEnd()
      }),
      { numRuns: 500 },
    )
  })

  it('throw only DecodeError, and at a place inside the input, for arbitrary bytes', () => {
    const reads: ((reader: ByteReader) => unknown)[] = [
      (r) => r.byte(),
      (r) => r.word16(),
      (r) => r.word32(),
      (r) => r.int64(),
      (r) => r.bool(),
      (r) => r.shortString(),
      (r) => r.large(),
      (r) => r.text(),
      (r) => r.maybe((reader) => reader.text()),
      (r) => r.list((reader) => reader.word16()),
      (r) => r.nonEmpty((reader) => reader.bool()),
      (r) => r.literal('T'),
      (r) => r.word(),
    ]
    fc.assert(
      fc.property(bytes(64), fc.array(fc.nat(reads.length - 1), { minLength: 1, maxLength: 12 }), (input, choice) => {
        const reader = new ByteReader(input)
        try {
          for (const i of choice) reads[i]?.(reader)
          reader.expectEnd()
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
          assert.ok(error.offset >= 0 && error.offset <= input.length)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('read from a view inside a larger buffer', () => {
    const block = Uint8Array.from([9, 9, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 9])
    const reader = new ByteReader(block.subarray(2, 14))
    assert.equal(reader.word32(), 0x01020304)
    assert.equal(reader.int64(), -2n)
    assert.equal(reader.remaining, 0)
    assert.throws(() => reader.byte(), DecodeError)
  })

  it('name the offset and the reason', () => {
    const fails = (input: number[], read: (reader: ByteReader) => unknown, offset: number) =>
      assert.throws(
        () => read(new ByteReader(Uint8Array.from(input))),
        (error: unknown) =>
          error instanceof DecodeError && error.offset === offset && error.message.includes(error.reason),
      )
    fails([0x54, 0x58], (r) => [r.bool(), r.bool()], 1)
    fails([5, 1, 2], (r) => r.shortString(), 1)
    fails([0, 9, 1], (r) => r.large(), 2)
    fails([2, 0xff, 0xfe], (r) => r.text(), 0)
    fails([0x32], (r) => r.maybe((reader) => reader.byte()), 0)
    fails([0], (r) => r.nonEmpty((reader) => reader.byte()), 0)
    fails([1, 2], (r) => [r.byte(), r.expectEnd()], 1)
    fails([0x53, 0x55], (r) => r.literal('SUB'), 2)
  })

  it('take one character a byte for words', () => {
    const reader = new ByteReader(Uint8Array.from([0x41, 0x80, 0xff, 0x20, 0x42]))
    assert.equal(reader.word(), 'A\u0080\u00ff')
    assert.equal(reader.byte(), 0x20)
    assert.equal(reader.word(), 'B')
    assert.equal(reader.word(), '')
  })

  it('keep a byte order mark in text', () => {
    const text = '\ufeffa'
    assert.equal(new ByteReader(new ByteWriter().text(text).finish()).text(), text)
  })

  it('refuse to write what does not fit', () => {
    const refused: ((writer: ByteWriter) => unknown)[] = [
      (w) => w.byte(256),
      (w) => w.byte(-1),
      (w) => w.byte(0.5),
      (w) => w.word16(65536),
      (w) => w.word32(-1),
      (w) => w.word32(2 ** 32),
      (w) => w.int64(2n ** 63n),
      (w) => w.shortString(new Uint8Array(256)),
      (w) => w.large(new Uint8Array(65536)),
      (w) => w.text('я'.repeat(128)),
      (w) => w.list(new Array(256).fill(0), (writer, value) => writer.byte(value)),
      (w) => w.nonEmpty([], () => undefined),
    ]
    for (const write of refused) assert.throws(() => write(new ByteWriter()), EncodeError)
  })

  it('decode whole values only', () => {
    const word: Parameters<typeof decode<number>>[0] = {
      encode: (w, value) => void w.word16(value),
      decode: (r) => r.word16(),
    }
    assert.equal(decode(word, encode(word, 513)), 513)
    assert.throws(() => decode(word, Uint8Array.of(1, 2, 3)), DecodeError)
  })
})
