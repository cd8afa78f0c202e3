import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError, equalBytes } from '@parley/core/encoding'

/** Writes fields of a message that have a value: what is absent, zero or empty is left out, as proto3 does. */
export class FieldWriter {
  readonly #writer = new BinaryWriter()

  text(field: number, value: string | undefined): this {
    if (value) this.#writer.tag(field, WireType.LengthDelimited).string(value)
    return this
  }

  bytes(field: number, value: Uint8Array | undefined): this {
    if (value?.length) this.#writer.tag(field, WireType.LengthDelimited).bytes(value)
    return this
  }

  /** @param value whole, from 0 to `Number.MAX_SAFE_INTEGER` */
  number(field: number, value: number): this {
    if (value !== 0) this.#writer.tag(field, WireType.Varint).uint64(value)
    return this
  }

  finish(): Uint8Array {
    return this.#writer.finish()
  }
}

/** The fields of one message, by number. Whatever is not there has its default. */
export class Fields {
  readonly #values: ReadonlyMap<number, string | number | Uint8Array>

  constructor(values: ReadonlyMap<number, string | number | Uint8Array>) {
    this.#values = values
  }

  text(field: number): string {
    const value = this.#values.get(field)
    return typeof value === 'string' ? value : ''
  }

  bytes(field: number): Uint8Array {
    const value = this.#values.get(field)
    return value instanceof Uint8Array ? value : new Uint8Array()
  }

  number(field: number): number {
    const value = this.#values.get(field)
    return typeof value === 'number' ? value : 0
  }
}

/** What a field holds. Numbers are uint64 up to `Number.MAX_SAFE_INTEGER`; bytes are copied. */
export type FieldKind = 'text' | 'bytes' | 'number'

/**
 * Reads a message that has exactly one encoding: every field known, in order, once, none with its default. Whether that
 * is so is seen by encoding again what was read.
 * @param what name of the message for errors
 * @param encode must throw nothing but what it wants thrown
 * @throws DecodeError
 */
export function decodeCanonical<T>(
  what: string,
  bytes: Uint8Array,
  kinds: Readonly<Record<number, FieldKind>>,
  build: (fields: Fields) => T,
  encode: (value: T) => Uint8Array,
): T {
  const value = build(readFields(what, bytes, kinds))
  if (!equalBytes(encode(value), bytes)) throw new DecodeError(`${what} is not in its canonical form`, 0)
  return value
}

function readFields(what: string, bytes: Uint8Array, kinds: Readonly<Record<number, FieldKind>>): Fields {
  const values = new Map<number, string | number | Uint8Array>()
  try {
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      values.set(field, readValue(reader, kinds[field], type))
    }
  } catch (error) {
    if (error instanceof DecodeError) throw error
    // The reader's own text may quote the input.
    throw new DecodeError(`${what} is not valid protobuf`, 0)
  }
  return new Fields(values)
}

function readValue(reader: BinaryReader, kind: FieldKind | undefined, type: WireType): string | number | Uint8Array {
  if (kind === 'number' && type === WireType.Varint) {
    const value = Number(reader.uint64())
    return Number.isSafeInteger(value) ? value : failField(reader)
  }
  if (kind === 'text' && type === WireType.LengthDelimited) return reader.string(true)
  if (kind === 'bytes' && type === WireType.LengthDelimited) return Uint8Array.from(reader.bytes())
  return failField(reader)
}

function failField(reader: BinaryReader): never {
  throw new DecodeError('field that does not belong there', reader.pos)
}
