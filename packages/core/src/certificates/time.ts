import { DecodeError, EncodeError } from '../encoding/index.ts'
import { type DerReader, type DerValue, der, TAG } from './der.ts'

/** First year that UTCTime cannot say: RFC 5280 §4.1.2.5. */
const GENERALIZED_FROM = 2050
const LAST_YEAR = 9999

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** A time of a certificate, whole seconds: UTCTime up to 2049 and GeneralizedTime from then on. */
export function derTime(time: Date): Uint8Array {
  const year = time.getUTCFullYear()
  if (!(year >= 1950 && year <= LAST_YEAR)) throw new EncodeError('year of a certificate out of range')
  const digits = `${time.toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`
  return year < GENERALIZED_FROM
    ? der(TAG.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : der(TAG.generalizedTime, Buffer.from(digits, 'latin1'))
}

/**
 * Reads either form of a time.
 * @throws DecodeError
 */
export function readTime(reader: DerReader): Date {
  const value = reader.isNext(TAG.utcTime) ? reader.next() : reader.next(TAG.generalizedTime)
  const text = Buffer.from(value.content).toString('latin1')
  const match = (value.tag === TAG.utcTime ? UTC_TIME : GENERALIZED_TIME).exec(text)
  if (!match) return malformed(value)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  const time = new Date(0)
  time.setUTCFullYear(value.tag === TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  // The calendar carries 31 February over to March, which would accept it.
  const same = time.getUTCMonth() === month - 1 && time.getUTCDate() === day && time.getUTCHours() === hour
  if (!same || minute > 59 || second > 59) return malformed(value)
  return time
}

function malformed(value: DerValue): never {
  throw new DecodeError('not a time of a certificate', value.contentOffset)
}
