import assert from 'node:assert/strict'

/** A type and a value in the words of `sx-encoding.json`, such as `Maybe ByteString Nothing`. */
export interface Described {
  /** The words before the value: `['Maybe', 'ByteString']`. */
  readonly types: readonly string[]
  /** The rest, as it stands. */
  readonly value: string
}

const CONTAINERS = new Set(['Maybe', 'NonEmpty', 'List'])

/** Splits the words for a value; what follows a type of one word is its value, a container is followed by a type. */
export function parseDescription(what: string): Described {
  const types: string[] = []
  let rest = what.trim()
  for (;;) {
    const [word = ''] = rest.split(' ', 1)
    assert.match(word, /^[A-Z]\w*$/, 'no type in the description')
    types.push(word)
    rest = rest.slice(word.length).trim()
    if (!CONTAINERS.has(word)) break
  }
  // Which of two encodings a value has is said by the section.
  return { types, value: rest.replace(/ \((strEncode|smpEncode)\)$/, '') }
}

/** The bytes that words may mean: `empty`, `300 x 'b'`, hexadecimal, or the text itself; the last two can both fit. */
export function bytesReadings(value: string): Uint8Array[] {
  if (value === 'empty' || value === '') return [new Uint8Array(0)]
  const repeated = /^(\d+) x '(.)'$/u.exec(value)
  if (repeated) return [Buffer.from((repeated[2] ?? '').repeat(Number(repeated[1])), 'utf8')]
  const readings: Uint8Array[] = [Buffer.from(unquoted(value), 'utf8')]
  if (/^([0-9a-f]{2})+$/.test(value)) readings.push(Buffer.from(value, 'hex'))
  return readings
}

/** The value without quotes around it. */
export function unquoted(value: string): string {
  const match = /^(["'])(.*)\1$/su.exec(value)
  return match?.[2] ?? value
}

/** The whole seconds of `1700000000s 123456789ns`. */
export function secondsOf(value: string): bigint {
  const match = /^(-?\d+)s(?: \d+ns)?$/.exec(value)
  assert.ok(match, 'not a time in seconds')
  return BigInt(match[1] as string)
}

/** The items of `[a,bc]`. */
export function itemsOf(value: string): string[] {
  const match = /^\[(.*)\]$/su.exec(value)
  assert.ok(match, 'not a list')
  return match[1] === '' ? [] : (match[1] as string).split(',').map((item) => item.trim())
}

/** The value in `Just x` or `x`, or undefined for `Nothing`. */
export function justOf(value: string): string | undefined {
  if (value === 'Nothing') return undefined
  return /^\(?Just (.*?)\)?$/su.exec(value)?.[1] ?? value
}
