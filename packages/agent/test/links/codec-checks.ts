import assert from 'node:assert/strict'
import { PublicKey } from '@parley/core/crypto'
import { type Codec, DecodeError, decode, encode, equalBytes, toHex } from '@parley/core/encoding'
import fc from 'fast-check'

/** One small change of bytes or of characters. */
interface Mutation {
  readonly type: 'set' | 'insert' | 'delete' | 'cut' | 'repeat'
  readonly at: number
  readonly value: number
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  type: fc.constantFrom('set', 'insert', 'delete', 'cut', 'repeat'),
  at: fc.nat(),
  value: fc.nat(255),
})

function mutate<T>(items: readonly T[], { type, at, value }: Mutation, make: (value: number) => T): T[] {
  if (items.length === 0) return [make(value)]
  const index = at % (items.length + 1)
  switch (type) {
    case 'set':
      return items.with(at % items.length, make(value))
    case 'insert':
      return items.toSpliced(index, 0, make(value))
    case 'delete':
      return items.toSpliced(index, 1 + (value % 4))
    case 'cut':
      return items.slice(0, index)
    case 'repeat':
      return items.toSpliced(index, 0, ...items.slice(index, index + 1 + (value % 9)))
  }
}

/** The bytes with one to three small changes; never the bytes themselves. */
export function mutatedBytes(original: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(mutation, { minLength: 1, maxLength: 3 })
  return fc
    .tuple(original, changes)
    .map(([bytes, list]) => ({
      bytes,
      mutated: list.reduce((items, change) => mutate(items, change, Number), [...bytes]),
    }))
    .filter(({ bytes, mutated }) => !equalBytes(bytes, Uint8Array.from(mutated)))
    .map(({ mutated }) => Uint8Array.from(mutated))
}

const TELLING = '#/?&=;,:%+@-_.~iaC0 \n[]xA'

/** The text with one to three small changes, mostly of characters that mean something. */
export function mutatedText(original: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const char = (value: number) => TELLING.charAt(value % TELLING.length)
  return fc
    .tuple(original, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([text, changes]) =>
      changes.reduce((items: string[], change) => mutate(items, change, char), [...text]).join(''),
    )
}

/** The value with bytes as hexadecimal text, so that Buffer and Uint8Array with the same bytes are equal. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex ${toHex(value)}`
  if (value instanceof PublicKey) return `${value.algorithm} ${toHex(value.raw)}`
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, comparable(field)]))
}

/** Fails unless both are equal, field by field and byte by byte. */
export function sameValue(actual: unknown, expected: unknown): void {
  assert.deepEqual(comparable(actual), comparable(expected))
}

/** Runs a parser or decoder on input from outside; it may refuse only with a DecodeError inside the input. */
export function onlyDecodeError(length: number, read: () => void): void {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof DecodeError, `${String(error)}`)
    assert.ok(error.offset >= 0 && error.offset <= length, `offset ${error.offset} of ${length}`)
  }
}

/** A codec gives back what it wrote, and refuses anything else with nothing but a DecodeError. */
export function checkCodec<T, C>(codec: Codec<T, C>, values: fc.Arbitrary<T>, context: C): void {
  fc.assert(
    fc.property(values, (value) => {
      const encoded = encode(codec, value, context)
      sameValue(decode(codec, encoded, context), value)
    }),
  )
  const encoded = values.map((value) => Uint8Array.from(encode(codec, value, context)))
  fc.assert(
    fc.property(fc.oneof(mutatedBytes(encoded), fc.uint8Array({ maxLength: 300 })), (bytes) => {
      onlyDecodeError(bytes.length, () => {
        const value = decode(codec, bytes, context)
        // What was read can be written, and is then read as the same; but layouts of old versions have no place for an
        // optional last byte, which readers accept in any version: what follows it moves.
        const written = encode(codec, value, context)
        const again = decode(codec, written, context)
        if (written.length === bytes.length) sameValue(again, value)
      })
    }),
  )
}

/** A text form is read as it was written, and anything else is refused with nothing but a DecodeError. */
export function checkText<T>(values: fc.Arbitrary<T>, format: (value: T) => string, parse: (text: string) => T): void {
  fc.assert(fc.property(values, (value) => sameValue(parse(format(value)), value)))
  fc.assert(
    fc.property(fc.oneof(mutatedText(values.map(format)), fc.string()), (text) => {
      onlyDecodeError(text.length, () => {
        const value = parse(text)
        assert.equal(format(parse(format(value))), format(value))
      })
    }),
  )
}
