import { fromBase64url, toBase64url } from './base64url.ts'
import { DecodeError } from './decode-error.ts'
import { EncodeError } from './writer.ts'

/** One text form ("str" encoding, `spec/smp.md §1`): the only place that knows it, for both directions. */
export interface TextCodec<T> {
  /** @throws EncodeError when the value has no text form */
  format(value: T): string
  /**
   * The value of the whole text.
   * @param offset position of the text in a larger input, for the error
   * @throws DecodeError
   */
  parse(text: string, offset?: number): T
}

/** base64url with padding; on input the padding may be missing and empty text is refused. */
export const bytesText: TextCodec<Uint8Array> = { format: toBase64url, parse: fromBase64url }

/** `T` or `F`. */
export const boolText: TextCodec<boolean> = {
  format: (value) => (value ? 'T' : 'F'),
  parse(text, offset = 0) {
    if (text !== 'T' && text !== 'F') throw new DecodeError('expected T or F', offset)
    return text === 'T'
  },
}

const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n
/** Digits of the longest Int64, so that no work is spent on longer texts. */
const MAX_DIGITS = 19

function integerText<T extends number | bigint>(
  name: string,
  [min, max]: readonly [bigint, bigint],
  convert: (value: bigint) => T,
): TextCodec<T> {
  const form = new RegExp(`^${min < 0n ? '[+-]?' : ''}\\d{1,${MAX_DIGITS}}$`)
  return {
    format(value) {
      if (typeof value === 'number' && !Number.isInteger(value)) throw new EncodeError(`${name} is not a whole number`)
      if (value < min || value > max) throw new EncodeError(`${name} out of range`)
      return value.toString()
    },
    parse(text, offset = 0) {
      if (!form.test(text)) throw new DecodeError(`not a decimal ${name}`, offset)
      const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
      if (value < min || value > max) throw new DecodeError(`${name} out of range`, offset)
      return convert(value)
    },
  }
}

/** Decimal number of 16 bits. */
export const word16Text = integerText('Word16', [0n, 0xffffn], Number)
/** Decimal number of 32 bits. */
export const word32Text = integerText('Word32', [0n, 0xffffffffn], Number)
/** Decimal number of 64 bits with sign; also the seconds of a SystemTime. */
export const int64Text = integerText('Int64', [MIN_INT64, MAX_INT64], (value) => value)

const UTC_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?Z$/

/** ISO 8601 in UTC, with as many decimals of the second as it needs; beyond milliseconds they are dropped on input. */
export const utcTimeText: TextCodec<Date> = {
  format(time) {
    const year = time.getUTCFullYear()
    if (!(year >= 0 && year <= 9999)) throw new EncodeError('year out of range')
    return time.toISOString().replace(/\.?0*Z$/, 'Z')
  },
  parse(text, offset = 0) {
    const match = UTC_TIME.exec(text)
    const milliseconds = (match?.[7] ?? '').slice(0, 3).padEnd(3, '0')
    const iso = `${text.slice(0, 19)}.${milliseconds}Z`
    const time = new Date(match ? iso : Number.NaN)
    // The calendar carries 31 February over to March, which would accept it.
    if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) throw new DecodeError('not a UTC time', offset)
    return time
  },
}

/** Values with commas between them; the text of a value must not hold one. At least one value. */
export function listText<T>(item: TextCodec<T>): TextCodec<T[]> {
  return {
    format(values) {
      if (values.length === 0) throw new EncodeError('list must not be empty')
      return values.map((value) => item.format(value)).join(',')
    },
    parse(text, offset = 0) {
      let at = offset
      return text.split(',').map((part) => {
        const value = item.parse(part, at)
        at += part.length + 1
        return value
      })
    },
  }
}

/** Empty text for a value that is not there. */
export function optionalText<T>(item: TextCodec<T>): TextCodec<T | undefined> {
  return {
    format: (value) => (value === undefined ? '' : item.format(value)),
    parse: (text, offset = 0) => (text === '' ? undefined : item.parse(text, offset)),
  }
}
