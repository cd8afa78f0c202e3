import { readFileSync } from 'node:fs'

/** One parsed vector file of the originals. */
function vectors(file: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), 'utf8'))
}

/** All texts below a value, with the key they stand under and the object they are part of. */
function* texts(value: unknown, key = '', parent: unknown = undefined): Iterable<[string, string, unknown]> {
  if (typeof value === 'string') yield [key, value, parent]
  else if (Array.isArray(value)) for (const item of value) yield* texts(item, key, parent)
  else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) yield* texts(item, name, value)
  }
}

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

/**
 * Valid inputs from the vectors: the hexadecimal values of the given keys.
 * @param wanted decides by the object that the value is part of
 */
export function hexSamples(
  file: string,
  keys: readonly string[],
  wanted: (parent: Readonly<Record<string, unknown>>) => boolean = () => true,
): Uint8Array[] {
  return [...texts(vectors(file))]
    .filter(([key, , parent]) => keys.includes(key) && wanted(parent as Record<string, unknown>))
    .filter(([, text]) => text.length > 0 && /^([0-9a-f]{2})+$/.test(text))
    .map(([, text]) => hex(text))
}

/** Valid inputs from the vectors: the texts of the given keys, as bytes. */
export function textSamples(file: string, keys: readonly string[]): Uint8Array[] {
  return [...texts(vectors(file))]
    .filter(([key]) => keys.includes(key))
    .map(([, text]) => new TextEncoder().encode(text))
}

/** The JSON values of the given keys, as bytes of their text. */
export function jsonSamples(file: string, ...keys: string[]): [Uint8Array, ...Uint8Array[]] {
  const found: Uint8Array[] = []
  const search = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, item] of Object.entries(value)) {
      if (keys.includes(key)) found.push(new TextEncoder().encode(JSON.stringify(item)))
      else search(item)
    }
  }
  search(vectors(file))
  const [first, ...rest] = found
  if (!first) throw new Error(`${file} has no ${keys.join(', ')}`)
  return [first, ...rest]
}

/** Values of a key in our own vectors of contact cards. */
export function cardSamples(key: string): Uint8Array[] {
  const file = new URL('../../packages/parley/test/card/vectors/contact-cards.json', import.meta.url)
  return [...texts(JSON.parse(readFileSync(file, 'utf8')))].flatMap(([name, text]) => (name === key ? [hex(text)] : []))
}
