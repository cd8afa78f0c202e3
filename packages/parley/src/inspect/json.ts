import { PublicKey } from '@parley/core/crypto'
import { toBase64url } from '@parley/core/encoding'

/**
 * A decoded value as JSON: byte strings as base64url with padding, the form that addresses and links use; keys with
 * their algorithm and the base64url of their DER; 64-bit numbers as numbers where JSON holds them exactly, else as text.
 */
export function inspectionJson(value: unknown): string {
  return JSON.stringify(plain(value), undefined, 2)
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64url(value)
  if (value instanceof PublicKey) return { algorithm: value.algorithm, key: toBase64url(value.spki) }
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  }
  return value
}
