/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | JsonFields

/** A JSON object. */
export interface JsonFields {
  readonly [name: string]: Json
}

/** A value of the agent as JSON: times as ISO 8601, byte strings as base64, errors by their own `toJSON`. */
export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object') return value as string | number | boolean
  if ('toJSON' in value && typeof value.toJSON === 'function') return toJson(value.toJSON())
  const fields = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(fields.map(([name, item]) => [name, toJson(item)]))
}
