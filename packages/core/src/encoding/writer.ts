const MAX_SHORT = 255
const MAX_LARGE = 65535

/** Thrown when a value cannot be represented in the encoding (too long, out of range): a fault of the caller. */
export class EncodeError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'EncodeError'
  }
}

/**
 * Builds the binary ("smp") encoding: `spec/smp.md §1`. Methods return the writer, so that calls chain.
 * Values that do not fit throw {@link EncodeError}.
 */
export class ByteWriter {
  #buffer: Buffer
  #length = 0

  /**
   * @param into expected number of bytes, or where to write them; when that is exceeded the writer goes on in a larger
   * buffer of its own
   */
  constructor(into: number | Buffer = 256) {
    this.#buffer = typeof into === 'number' ? Buffer.allocUnsafe(into) : into
  }

  /** Number of bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** Makes room; to be called before `#buffer` is looked at, because it may put a larger one in its place. */
  #reserve(count: number): number {
    const start = this.#length
    const needed = start + count
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
      this.#buffer.copy(grown, 0, 0, start)
      this.#buffer = grown
    }
    this.#length = needed
    return start
  }

  byte(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xff) throw new EncodeError('byte out of range')
    const at = this.#reserve(1)
    this.#buffer.writeUInt8(value, at)
    return this
  }

  /** Raw bytes without a length. */
  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
    return this
  }

  /** ASCII (latin1) characters without a length. */
  literal(text: string): this {
    const at = this.#reserve(text.length)
    this.#buffer.write(text, at, 'latin1')
    return this
  }

  word16(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff) throw new EncodeError('Word16 out of range')
    const at = this.#reserve(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  word32(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new EncodeError('Word32 out of range')
    const at = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  int64(value: bigint): this {
    if (BigInt.asIntN(64, value) !== value) throw new EncodeError('Int64 out of range')
    const at = this.#reserve(8)
    this.#buffer.writeBigInt64BE(value, at)
    return this
  }

  /** `T` or `F`. */
  bool(value: boolean): this {
    return this.literal(value ? 'T' : 'F')
  }

  /** One-byte length and bytes, at most 255. */
  shortString(value: Uint8Array): this {
    if (value.length > MAX_SHORT) throw new EncodeError(`short string of ${value.length} bytes, at most ${MAX_SHORT}`)
    return this.byte(value.length).bytes(value)
  }

  /** Two-byte length and bytes, at most 65,535. */
  large(value: Uint8Array): this {
    if (value.length > MAX_LARGE) throw new EncodeError(`large string of ${value.length} bytes, at most ${MAX_LARGE}`)
    return this.word16(value.length).bytes(value)
  }

  /** Short string of UTF-8 text. */
  text(value: string): this {
    return this.shortString(Buffer.from(value, 'utf8'))
  }

  /** `0`, or `1` and the value. */
  maybe<T>(value: T | undefined, write: (writer: this, value: T) => void): this {
    if (value === undefined) return this.literal('0')
    this.literal('1')
    write(this, value)
    return this
  }

  /** One-byte count and the values, at most 255. */
  list<T>(items: readonly T[], write: (writer: this, value: T) => void): this {
    if (items.length > MAX_SHORT) throw new EncodeError(`list of ${items.length} values, at most ${MAX_SHORT}`)
    this.byte(items.length)
    for (const item of items) write(this, item)
    return this
  }

  /** A list that must have at least one value. */
  nonEmpty<T>(items: readonly T[], write: (writer: this, value: T) => void): this {
    if (items.length === 0) throw new EncodeError('list must not be empty')
    return this.list(items, write)
  }

  /** The bytes written so far. The writer must not be used afterwards: the result is not a copy. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }
}
