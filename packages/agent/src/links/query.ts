import { TextPart } from './text-part.ts'

const UNRESERVED = /[A-Za-z0-9\-_.~]/
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Parameters in order; names are plain. */
export type QueryEntries = ReadonlyArray<readonly [name: string, value: string]>

/** Percent-encodes the UTF-8 bytes of all but `A-Za-z0-9-_.~`, with upper-case digits: `spec/agent.md §2.1`. */
export function percentEncode(text: string): string {
  return Array.from(Buffer.from(text, 'utf8'), encodeByte).join('')
}

/** Bytes of `%XX`, `+` as a space; a `%` without two hexadecimal digits stands for itself. */
export function percentDecode(text: string): string {
  if (!/[%+]/.test(text)) return text
  const bytes = Buffer.from(text, 'utf8')
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    const escaped = byte === 0x25 ? hexByte(bytes, i + 1) : undefined
    if (escaped !== undefined) i += 2
    decoded[length++] = escaped ?? (byte === 0x2b ? 0x20 : byte)
  }
  return utf8.decode(decoded.subarray(0, length))
}

/** `a=1&b=2` with escaped values. */
export function formatQuery(entries: QueryEntries): string {
  return entries.map(([name, value]) => `${name}=${percentEncode(value)}`).join('&')
}

/** The parameters of a query; of several with one name the first counts, unknown ones are ignored. */
export class Query {
  readonly #part: TextPart
  readonly #values = new Map<string, TextPart>()

  /** Reads everything after the `?`. Spaces and line ends are refused. */
  constructor(part: TextPart) {
    this.#part = part
    const space = part.text.search(/[ \n]/)
    if (space >= 0) part.fail('query with a space or line end', space)
    for (const pair of splitPairs(part)) {
      const [name, value] = pair.cut('=') ?? [pair, pair.slice(pair.text.length)]
      const key = percentDecode(name.text)
      if (!this.#values.has(key)) this.#values.set(key, decoded(value))
    }
  }

  get(name: string): TextPart | undefined {
    return this.#values.get(name)
  }

  /** @throws DecodeError when there is no such parameter */
  require(name: string): TextPart {
    return this.#values.get(name) ?? this.#part.fail(`query without ${name}`)
  }
}

function decoded(part: TextPart): TextPart {
  const text = percentDecode(part.text)
  return text === part.text ? part : new TextPart(text, part.offset, false)
}

function splitPairs(part: TextPart): TextPart[] {
  return part
    .split('&')
    .flatMap((piece) => piece.split(';'))
    .filter(({ text }) => text !== '')
}

function hexByte(bytes: Uint8Array, at: number): number | undefined {
  const digits = String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0)
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
}

function encodeByte(byte: number): string {
  const char = String.fromCharCode(byte)
  return UNRESERVED.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
