import { toLatin1 } from './bytes.ts'
import { DecodeError } from './decode-error.ts'

const TRUE = 0x54
const FALSE = 0x46
const NOTHING = 0x30
const JUST = 0x31

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the binary ("smp") encoding from a byte array: `spec/smp.md §1`.
 * Every method throws {@link DecodeError} with the offset when the input does not fit.
 * Byte results are views of the input, not copies.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Number of bytes read so far. */
  get offset(): number {
    return this.#offset
  }

  /** Number of bytes left. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  /** Throws a {@link DecodeError} at the current offset, or at `offset` when given. */
  fail(reason: string, offset: number = this.#offset): never {
    throw new DecodeError(reason, offset)
  }

  #advance(length: number, what: string): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) this.fail(`${what} needs ${length} bytes, ${this.remaining} left`)
    this.#offset = start + length
    return start
  }

  #word32At(at: number): number {
    const bytes = this.#bytes
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
    return high * 0x10000 + low
  }

  /** One byte, 0..255. */
  byte(): number {
    const at = this.#advance(1, 'byte')
    return this.#bytes[at] as number
  }

  /** The next byte without consuming it, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** Exactly `length` raw bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length, 'byte string')
    return this.#bytes.subarray(at, at + length)
  }

  /** All bytes up to the end of the input (may be empty). */
  tail(): Uint8Array {
    return this.bytes(this.remaining)
  }

  /** Big-endian 16-bit number. */
  word16(): number {
    const at = this.#advance(2, 'Word16')
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
  }

  /** Big-endian 32-bit number. */
  word32(): number {
    const at = this.#advance(4, 'Word32')
    return this.#word32At(at)
  }

  /** Big-endian two's complement 64-bit number. */
  int64(): bigint {
    const at = this.#advance(8, 'Int64')
    return BigInt.asIntN(64, (BigInt(this.#word32At(at)) << 32n) | BigInt(this.#word32At(at + 4)))
  }

  /** `T` or `F`. */
  bool(): boolean {
    const at = this.#offset
    const byte = this.byte()
    if (byte === TRUE) return true
    if (byte === FALSE) return false
    return this.fail('expected T or F', at)
  }

  /** One-byte length and that many bytes. */
  shortString(): Uint8Array {
    return this.bytes(this.byte())
  }

  /** Two-byte length and that many bytes. */
  large(): Uint8Array {
    return this.bytes(this.word16())
  }

  /** Short string holding UTF-8 text. */
  text(): string {
    const at = this.#offset
    const bytes = this.shortString()
    try {
      return utf8.decode(bytes)
    } catch {
      return this.fail('text is not valid UTF-8', at)
    }
  }

  /** `0`, or `1` followed by a value. */
  maybe<T>(read: (reader: ByteReader) => T): T | undefined {
    const at = this.#offset
    const byte = this.byte()
    if (byte === NOTHING) return undefined
    if (byte === JUST) return read(this)
    return this.fail('expected 0 or 1 before an optional value', at)
  }

  /** One-byte count and that many values. */
  list<T>(read: (reader: ByteReader) => T): T[] {
    const count = this.byte()
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(read(this))
    return items
  }

  /** A list with at least one value. */
  nonEmpty<T>(read: (reader: ByteReader) => T): [T, ...T[]] {
    const at = this.#offset
    const [first, ...rest] = this.list(read)
    if (first === undefined) return this.fail('list must not be empty', at)
    return [first, ...rest]
  }

  /** Consumes the given ASCII text or fails. */
  literal(text: string): void {
    const at = this.#offset
    for (let i = 0; i < text.length; i++) {
      if (this.byte() !== text.charCodeAt(i)) this.fail(`expected ${JSON.stringify(text)}`, at)
    }
  }

  /** Characters (one a byte) up to a space or the end; the space is not consumed. May be empty. */
  word(): string {
    const start = this.#offset
    let end = start
    while (end < this.#bytes.length && this.#bytes[end] !== 0x20) end++
    this.#offset = end
    return toLatin1(this.#bytes.subarray(start, end))
  }

  /** Fails unless the whole input was read. */
  expectEnd(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes after the end of the value`)
  }
}
