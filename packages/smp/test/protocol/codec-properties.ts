import assert from 'node:assert/strict'
import { PublicKey } from '@parley/core/crypto'
import { type Codec, DecodeError, decode, encode, toHex } from '@parley/core/encoding'
import fc from 'fast-check'

/** A value with bytes and keys as text, to compare what differs only in the class of byte arrays. */
export function plain(value: unknown): unknown {
  if (value instanceof PublicKey) return `${value.algorithm} ${toHex(value.raw)}`
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, plain(field)]),
  )
}

/** Fails unless both are the same once bytes and keys are text. */
export function sameValue(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected))
}

/** Fails when `read` throws anything but a DecodeError. */
export function throwsOnlyDecodeError(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
}

/** Valid bytes with a few of them changed, removed or added. */
export function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('change', 'remove', 'insert', 'truncate'),
    byte: fc.integer({ min: 0, max: 255 }),
  })
  return fc.tuple(valid, fc.array(change, { minLength: 1, maxLength: 4 })).map(([original, changes]) => {
    const bytes = [...original]
    for (const { at, kind, byte } of changes) {
      const index = at % (bytes.length + 1)
      if (kind === 'change') bytes.splice(index, 1, byte)
      else if (kind === 'remove') bytes.splice(index, 1)
      else if (kind === 'insert') bytes.splice(index, 0, byte)
      else bytes.length = index
    }
    return Uint8Array.from(bytes)
  })
}

/**
 * The properties of every codec: what it encodes it decodes to the same value, which encodes to the same bytes; all
 * other bytes are decoded or refused with DecodeError.
 * @param expected what the decoder of a context makes of a value, where that is not the value itself
 */
export function checkCodec<T, C>(
  codec: Codec<T, C>,
  values: fc.Arbitrary<T>,
  contexts: fc.Arbitrary<C>,
  expected: (value: T, context: C) => T = (value) => value,
): void {
  fc.assert(
    fc.property(values, contexts, (value, context) => {
      const bytes = encode(codec, value, context)
      const decoded = decode(codec, bytes, context)
      sameValue(decoded, expected(value, context))
      assert.equal(toHex(encode(codec, decoded, context)), toHex(bytes))
    }),
    { numRuns: 300 },
  )
  const valid = fc.tuple(values, contexts).map(([value, context]) => encode(codec, value, context))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated(valid)), contexts, (bytes, context) => {
      throwsOnlyDecodeError(() => decode(codec, bytes, context))
    }),
    { numRuns: 500 },
  )
}

/** The context of codecs that depend on nothing. */
export const noContext: fc.Arbitrary<undefined> = fc.constant(undefined)

/** A codec without context as one that {@link checkCodec} takes. */
export function contextFree<T>(codec: Codec<T>): Codec<T, undefined> {
  return codec as Codec<T, undefined>
}
