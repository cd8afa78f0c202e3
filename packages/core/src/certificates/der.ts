import { ByteReader, ByteWriter, concatBytes, EncodeError } from '../encoding/index.ts'

/** Identifier bytes of the DER values that certificates are made of (X.690). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** `[n]` of a constructed value. */
  context: (n: number) => 0xa0 | n,
  /** `[n]` of a primitive value. */
  contextPrimitive: (n: number) => 0x80 | n,
} as const

const LONG_FORM = 0x80
const MAX_LENGTH_BYTES = 4

/** One DER value. All bytes are views of the input. */
export interface DerValue {
  readonly tag: number
  /** Bytes of the value without its tag and length. */
  readonly content: Uint8Array
  /** Tag, length and content. */
  readonly bytes: Uint8Array
  /** Where the content starts in the outermost input, for errors. */
  readonly contentOffset: number
}

/**
 * Reads DER values one after the other. Lengths must be definite and as short as they can be; tags of several bytes
 * do not occur. Throws only DecodeError.
 */
export class DerReader {
  readonly #input: Uint8Array
  readonly #reader: ByteReader
  readonly #base: number

  /** @param base offset of `input` in the outermost input, for errors */
  constructor(input: Uint8Array, base = 0) {
    this.#input = input
    this.#reader = new ByteReader(input)
    this.#base = base
  }

  /** Reads the content of a value that has been read. */
  static of(value: DerValue): DerReader {
    return new DerReader(value.content, value.contentOffset)
  }

  get isAtEnd(): boolean {
    return this.#reader.remaining === 0
  }

  /** Throws a DecodeError at the current position. */
  fail(reason: string): never {
    return this.#reader.fail(reason, this.#base + this.#reader.offset)
  }

  /** True when the next value has this tag. */
  isNext(tag: number): boolean {
    return this.#reader.peek() === tag
  }

  /** The next value, which must have this tag when one is given. */
  next(tag?: number): DerValue {
    const reader = this.#reader
    const start = reader.offset
    if (reader.remaining < 2) this.fail('DER value expected')
    const actual = reader.byte()
    if (tag !== undefined && actual !== tag) {
      reader.fail(`DER tag ${tag.toString(16)} expected`, this.#base + start)
    }
    if ((actual & 0x1f) === 0x1f) reader.fail('DER tag of several bytes', this.#base + start)
    const length = this.#length()
    if (length > reader.remaining) this.fail('DER value exceeds its container')
    const contentOffset = this.#base + reader.offset
    const content = reader.bytes(length)
    return { tag: actual, content, contentOffset, bytes: this.#input.subarray(start, reader.offset) }
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.isNext(tag) ? this.next(tag) : undefined
  }

  /** A reader of the next value's content. */
  enter(tag: number): DerReader {
    return DerReader.of(this.next(tag))
  }

  /** An object identifier in dotted form. */
  objectIdentifier(): string {
    const { content, contentOffset } = this.next(TAG.objectIdentifier)
    const arcs: number[] = []
    let arc = 0
    for (const [i, byte] of content.entries()) {
      if (arc === 0 && byte === LONG_FORM) this.#reader.fail('object identifier not minimal', contentOffset + i)
      arc = arc * 128 + (byte & 0x7f)
      if (arc > Number.MAX_SAFE_INTEGER / 128) this.#reader.fail('object identifier too large', contentOffset + i)
      if (byte & LONG_FORM) continue
      arcs.push(arc)
      arc = 0
    }
    const [first] = arcs
    if (first === undefined || ((content.at(-1) ?? 0) & LONG_FORM) !== 0) {
      return this.#reader.fail('object identifier cut', contentOffset)
    }
    const root = Math.min(2, Math.floor(first / 40))
    return [root, first - root * 40, ...arcs.slice(1)].join('.')
  }

  /** `TRUE` or `FALSE`. */
  boolean(): boolean {
    const { content, contentOffset } = this.next(TAG.boolean)
    const [byte] = content
    if (content.length !== 1 || (byte !== 0x00 && byte !== 0xff)) this.#reader.fail('not a boolean', contentOffset)
    return byte === 0xff
  }

  /** An integer that is not negative and fits 31 bits. */
  smallInteger(): number {
    const { content, contentOffset } = this.next(TAG.integer)
    const [first, second] = content
    if (first === undefined || first >= 0x80 || content.length > MAX_LENGTH_BYTES) {
      return this.#reader.fail('integer out of range', contentOffset)
    }
    if (first === 0 && second !== undefined && second < 0x80) this.#reader.fail('integer not minimal', contentOffset)
    return content.reduce((value, byte) => value * 256 + byte, 0)
  }

  /** The bytes of a bit string of whole bytes. */
  bitStringBytes(): Uint8Array {
    const { content, contentOffset } = this.next(TAG.bitString)
    if (content[0] !== 0) this.#reader.fail('bit string is not whole bytes', contentOffset)
    return content.subarray(1)
  }

  /** Fails unless everything was read. */
  expectEnd(): void {
    if (!this.isAtEnd) this.fail('bytes after the end of a DER value')
  }

  #length(): number {
    const reader = this.#reader
    const first = reader.byte()
    if (first < LONG_FORM) return first
    const count = first & 0x7f
    if (count === 0 || count > MAX_LENGTH_BYTES || count > reader.remaining) this.fail('DER length')
    const bytes = reader.bytes(count)
    const length = bytes.reduce((value, byte) => value * 256 + byte, 0)
    if (bytes[0] === 0 || length < LONG_FORM) this.fail('DER length not minimal')
    return length
  }
}

/** A DER value of the given content, in parts. */
export function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts)
  const { length } = content
  const writer = new ByteWriter(length + 6).byte(tag)
  if (length < LONG_FORM) writer.byte(length)
  else if (length <= 0xff) writer.byte(0x81).byte(length)
  else if (length <= 0xffff) writer.byte(0x82).word16(length)
  else if (length <= 0xffffff)
    writer
      .byte(0x83)
      .byte(length >> 16)
      .word16(length & 0xffff)
  else writer.byte(0x84).word32(length)
  return writer.bytes(content).finish()
}

/** A sequence of values. */
export function derSequence(...items: Uint8Array[]): Uint8Array {
  return der(TAG.sequence, ...items)
}

/** A bit string of whole bytes. */
export function derBitString(bytes: Uint8Array): Uint8Array {
  return der(TAG.bitString, Uint8Array.of(0), bytes)
}

/** An object identifier from its dotted form. */
export function derObjectIdentifier(dotted: string): Uint8Array {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(TAG.objectIdentifier, Uint8Array.from([root * 40 + second, ...rest].flatMap(base128)))
}

function base128(arc: number): number[] {
  if (!Number.isSafeInteger(arc) || arc < 0) throw new EncodeError('not an object identifier')
  const bytes = [arc % 128]
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
    bytes.unshift((left % 128) | LONG_FORM)
  return bytes
}
