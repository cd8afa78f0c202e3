import { ByteReader } from './reader.ts'
import { ByteWriter } from './writer.ts'

/**
 * One byte layout: the only place that knows it, for both directions, so that the two cannot drift.
 * `Context` carries what the layout depends on besides the value, normally the protocol version.
 */
export interface Codec<T, Context = void> {
  /** Appends the encoded value. */
  encode(writer: ByteWriter, value: T, context: Context): void
  /** Reads one value and leaves the reader behind it. Throws only DecodeError. */
  decode(reader: ByteReader, context: Context): T
}

/** The bytes of one value. */
export function encode<T, C>(codec: Codec<T, C>, value: T, context: C): Uint8Array
export function encode<T>(codec: Codec<T>, value: T): Uint8Array
export function encode<T, C>(codec: Codec<T, C>, value: T, context?: C): Uint8Array {
  const writer = new ByteWriter()
  codec.encode(writer, value, context as C)
  return writer.finish()
}

/** The one value that the bytes hold; trailing bytes are an error. Throws only DecodeError. */
export function decode<T, C>(codec: Codec<T, C>, bytes: Uint8Array, context: C): T
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T
export function decode<T, C>(codec: Codec<T, C>, bytes: Uint8Array, context?: C): T {
  const reader = new ByteReader(bytes)
  const value = codec.decode(reader, context as C)
  reader.expectEnd()
  return value
}
