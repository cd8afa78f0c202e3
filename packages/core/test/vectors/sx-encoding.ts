import assert from 'node:assert/strict'
import {
  boolText,
  bytesText,
  type Codec,
  decode,
  encode,
  int64Text,
  listText,
  optionalText,
  type TextCodec,
  word16Text,
  word32Text,
} from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec, versionRangeFromText, versionRangeToText } from '@parley/core/version'
import { bytesReadings, itemsOf, justOf, parseDescription, secondsOf, unquoted } from './described-value.ts'
import {
  each,
  expectKeys,
  hex,
  type JsonObject,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from './vector-file.ts'

/** A type of the file: its two encodings, and whether a decoded value is the one that the words describe. */
interface DescribedType<T> {
  readonly binary?: Codec<T>
  readonly text?: TextCodec<T>
  matches(value: T, words: string): boolean
}

// biome-ignore lint/suspicious/noExplicitAny: the values of a table of types have no common type
type AnyType = DescribedType<any>

const matchesBytes = (value: Uint8Array, words: string) =>
  bytesReadings(words).some((bytes) => Buffer.compare(bytes, value) === 0)
const matchesText = (value: string, words: string) =>
  bytesReadings(words).some((bytes) => Buffer.from(bytes).toString('utf8') === value)
const matchesNumber = (value: number | bigint, words: string) => String(value) === words

const versionText: TextCodec<VersionRange> = { format: versionRangeToText, parse: versionRangeFromText }

function bytesType(binary: Codec<Uint8Array>): DescribedType<Uint8Array> {
  return { binary, text: bytesText, matches: matchesBytes }
}

const TYPES: Readonly<Record<string, AnyType>> = {
  Char: {
    binary: { encode: (w, value: string) => void w.literal(value), decode: (r) => String.fromCharCode(r.byte()) },
    text: { format: (value: string) => value, parse: (input) => input },
    matches: (value: string, words) => value === unquoted(words),
  },
  Bool: {
    binary: { encode: (w, value: boolean) => void w.bool(value), decode: (r) => r.bool() },
    text: boolText,
    matches: (value: boolean, words) => (value ? 'True' : 'False') === words,
  },
  Word16: {
    binary: { encode: (w, value: number) => void w.word16(value), decode: (r) => r.word16() },
    text: word16Text,
    matches: matchesNumber,
  },
  Word32: {
    binary: { encode: (w, value: number) => void w.word32(value), decode: (r) => r.word32() },
    text: word32Text,
    matches: matchesNumber,
  },
  Int64: {
    binary: { encode: (w, value: bigint) => void w.int64(value), decode: (r) => r.int64() },
    text: int64Text,
    matches: matchesNumber,
  },
  ByteString: bytesType({ encode: (w, value) => void w.shortString(value), decode: (r) => r.shortString() }),
  Large: bytesType({ encode: (w, value) => void w.large(value), decode: (r) => r.large() }),
  Tail: bytesType({ encode: (w, value) => void w.bytes(value), decode: (r) => r.tail() }),
  Text: {
    binary: { encode: (w, value: string) => void w.text(value), decode: (r) => r.text() },
    text: { format: (value: string) => value, parse: (input) => input },
    matches: matchesText,
  },
  String: bytesType({ encode: (w, value) => void w.shortString(value), decode: (r) => r.shortString() }),
  SystemTime: {
    binary: { encode: (w, value: bigint) => void w.int64(value), decode: (r) => r.int64() },
    text: int64Text,
    matches: (value: bigint, words) => value === secondsOf(words),
  },
  VersionRange: {
    binary: versionRangeCodec,
    text: versionText,
    matches: ({ min, max }: VersionRange, words) => words === `${min}-${max}` || (min === max && words === `${min}`),
  },
  Version: {
    binary: { encode: (w, value: number) => void w.word16(value), decode: (r) => r.word16() },
    text: word16Text,
    matches: matchesNumber,
  },
}

/** The type that the words name, containers first. */
function typeOf([name = '', ...rest]: readonly string[]): AnyType {
  if (rest.length === 0) {
    const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined
    assert.ok(type, `type ${name} is not known`)
    return type
  }
  const item = typeOf(rest)
  assert.ok(item.binary && item.text)
  const { binary, text: itemText } = item
  if (name === 'Maybe') {
    return {
      binary: {
        encode: (w, value) => void w.maybe(value, (writer, it) => binary.encode(writer, it)),
        decode: (r) => r.maybe((reader) => binary.decode(reader)),
      },
      text: optionalText(itemText),
      matches(value, words) {
        const just = justOf(words)
        return just === undefined ? value === undefined : value !== undefined && item.matches(value, just)
      },
    }
  }
  const nonEmpty = name === 'NonEmpty'
  return {
    binary: {
      encode: (w, values) =>
        void (nonEmpty
          ? w.nonEmpty(values, (writer, it) => binary.encode(writer, it))
          : w.list(values, (writer, it) => binary.encode(writer, it))),
      decode: (r) =>
        nonEmpty ? r.nonEmpty((reader) => binary.decode(reader)) : r.list((reader) => binary.decode(reader)),
    },
    text: listText(itemText),
    matches(values: unknown[], words) {
      const items = itemsOf(words)
      return items.length === values.length && items.every((word, i) => item.matches(values[i], word))
    },
  }
}

/** Decodes, compares with the words, encodes back. */
function checkBinary(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'what')
  const { types, value: words } = parseDescription(text(entry, 'what'))
  const { binary, matches } = typeOf(types)
  assert.ok(binary)
  const value = decode(binary, hex(entry, 'hex'))
  assert.ok(matches(value, words), 'decoded value is not the one described')
  sameBytes(encode(binary, value), hex(entry, 'hex'))
}

function checkText(entry: JsonObject): void {
  expectKeys(entry, 'str', 'what')
  const { types, value: words } = parseDescription(text(entry, 'what'))
  const type = typeOf(types)
  assert.ok(type.text)
  const value = type.text.parse(text(entry, 'str'))
  assert.ok(type.matches(value, words), 'parsed value is not the one described')
  assert.equal(type.text.format(value), text(entry, 'str'))
}

/** The primitive encodings, binary and text. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-encoding.json',
    cases: (data) => sectionCases(data, { vectors: each(checkBinary), str: each(checkText) }),
  },
]
