import assert from 'node:assert/strict'

/** One check of a vector file; it passes when `run` returns or resolves. */
export interface VectorCase {
  readonly name: string
  /** Set in cases that fail because no check knows this section; another list may still know it. */
  readonly unknownSection?: string
  run(): void | Promise<void>
}

/**
 * How the entries of one vector file are checked. Files of the same format may hold other values and other numbers of
 * entries, so a check never knows them; entries that it does not understand become failing cases.
 */
export interface VectorFile {
  /** Name of the file, such as `sx-crypto.json`. */
  readonly file: string
  /** The checks of all entries of the parsed file. */
  cases(data: unknown): Iterable<VectorCase>
}

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Keys at any level that describe and are not checked. */
const DESCRIPTIONS = new Set(['meta', 'note'])

/** Checks of one section (a top-level key of a file). */
export type SectionCheck = (section: unknown, name: string) => Iterable<VectorCase>

/** Cases of an object's keys by a table of checks; a key that is not in the table is a failing case. */
export function* sectionCases(data: unknown, checks: Readonly<Record<string, SectionCheck>>): Iterable<VectorCase> {
  if (!isObject(data)) {
    yield failing('file', 'not a JSON object')
    return
  }
  for (const [name, section] of Object.entries(data)) {
    if (DESCRIPTIONS.has(name)) continue
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check) yield* check(section, name)
    else yield { ...failing(name, 'no check understands this entry'), unknownSection: name }
  }
}

/** The check of a section that is one case. */
export function one(run: (entry: JsonObject) => void | Promise<void>): SectionCheck {
  return function* (section, name) {
    yield { name, run: () => run(object(section)) }
  }
}

/** The check of a section that is a list with a case for every item. */
export function each(run: (entry: JsonObject) => void | Promise<void>): SectionCheck {
  return function* (section, name) {
    if (!Array.isArray(section)) {
      yield failing(name, 'not a list')
      return
    }
    for (const [i, item] of section.entries()) {
      const what = isObject(item) && typeof item.what === 'string' ? ` ${item.what.slice(0, 60)}` : ''
      yield { name: `${name}[${i}]${what}`, run: () => run(object(item)) }
    }
  }
}

/** A case that fails, for entries that cannot be checked. */
export function failing(name: string, reason: string): VectorCase {
  return {
    name,
    run() {
      assert.fail(reason)
    },
  }
}

/** Fails when the entry has keys besides the given ones: what is not looked at must not count as checked. */
export function expectKeys(entry: JsonObject, ...known: string[]): void {
  const unknown = Object.keys(entry).filter((key) => !known.includes(key) && !DESCRIPTIONS.has(key))
  assert.deepEqual(unknown, [], 'keys that no check understands')
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as an object, or an assertion failure. */
export function object(value: unknown): JsonObject {
  assert.ok(isObject(value), 'not a JSON object')
  return value
}

/** A text field. */
export function text(entry: JsonObject, key: string): string {
  const value = entry[key]
  assert.ok(typeof value === 'string', `${key} is not a text`)
  return value
}

/** A number field. */
export function number(entry: JsonObject, key: string): number {
  const value = entry[key]
  assert.ok(typeof value === 'number', `${key} is not a number`)
  return value
}

/** A field of hexadecimal bytes. */
export function hex(entry: JsonObject, key: string): Uint8Array {
  return fromHex(text(entry, key), key)
}

/** Bytes of hexadecimal text. */
export function fromHex(value: string, what = 'value'): Uint8Array {
  assert.match(value, /^([0-9a-f]{2})*$/, `${what} is not hexadecimal`)
  return new Uint8Array(Buffer.from(value, 'hex'))
}

/** Fails unless both hold the same bytes; the message shows hexadecimal. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, message?: string): void {
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'), message)
}
