import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  fromHex,
  isObject,
  type JsonObject,
  number,
  object,
  sameBytes,
  text,
} from '../../../core/test/vectors/vector-file.ts'

const CUT_SUFFIX = 'Truncated'
const HEX = /^(?:[0-9a-f]{2})+$/

/** What a session file says of a value that it cuts. */
export interface Digest {
  readonly length: number
  /** SHA-256, hexadecimal. */
  readonly sha256: string
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Length and digest that an entry gives for a value that it cuts; undefined for a whole value. */
export function cutDigest(entry: JsonObject, key: string): Digest | undefined {
  const cut = entry[`${key}${CUT_SUFFIX}`]
  if (cut === undefined) return undefined
  const { len, sha256, ...rest } = object(cut)
  assert.deepEqual(rest, {}, 'keys that no check understands')
  return { length: number({ len }, 'len'), sha256: text({ sha256 }, 'sha256') }
}

/** Fails unless the bytes are those of the entry, whole or told by length and digest. */
export function sameAsEntry(actual: Uint8Array, entry: JsonObject, key: string): void {
  const digest = cutDigest(entry, key)
  const shown = fromHex(text(entry, key), key)
  if (!digest) {
    sameBytes(actual, shown, key)
    return
  }
  assert.equal(actual.length, digest.length, `length of ${key}`)
  sameBytes(actual.subarray(0, shown.length), shown, `start of ${key}`)
  assert.equal(digestOf(actual), digest.sha256, `digest of ${key}`)
}

/**
 * Session files cut long values of blocks, and values that they show a second time. This finds them again: the whole
 * value stands elsewhere in the file, or the missing end of a block is a box that does.
 */
export class CutValues {
  readonly #byDigest = new Map<string, Uint8Array>()

  constructor(file: unknown) {
    this.#collect(file)
  }

  #collect(value: unknown): void {
    if (Array.isArray(value)) {
      for (const item of value) this.#collect(item)
    } else if (isObject(value)) {
      for (const [key, field] of Object.entries(value)) {
        const isWhole = !(`${key}${CUT_SUFFIX}` in value)
        if (typeof field === 'string' && isWhole && field.length > 64 && HEX.test(field)) this.add(fromHex(field))
        else this.#collect(field)
      }
    }
  }

  /** Makes a value known that the file does not show, because it was computed from what it shows. */
  add(bytes: Uint8Array): void {
    this.#byDigest.set(digestOf(bytes), bytes)
  }

  /** The whole value of a field; undefined when it is cut and cannot be found again. */
  find(entry: JsonObject, key: string): Uint8Array | undefined {
    const digest = cutDigest(entry, key)
    const shown = fromHex(text(entry, key), key)
    if (!digest) return shown
    return this.#byDigest.get(digest.sha256) ?? this.#complete(shown, digest)
  }

  #complete(shown: Uint8Array, { length, sha256 }: Digest): Uint8Array | undefined {
    for (const end of this.#byDigest.values()) {
      const start = length - end.length
      if (start < 0 || start >= shown.length) continue
      const whole = Buffer.concat([shown.subarray(0, start), end])
      if (shown.every((byte, i) => byte === whole[i]) && digestOf(whole) === sha256) return whole
    }
    return undefined
  }
}
