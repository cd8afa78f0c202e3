import { AgentError } from '@parley/agent'
import type { Json, JsonFields } from './json-values.ts'

/** One command line: `docs/jsonl.md`, commands. */
export interface Request {
  /** Whatever the caller uses to tell answers apart; null when it gave none. */
  readonly id: Json
  readonly cmd: string
  readonly fields: Fields
}

/** The request is not what the command needs. */
export function syntaxError(context: string): AgentError {
  return new AgentError({ type: 'CMD', error: 'SYNTAX', context })
}

/** A line that is no request; the answer still carries its id when it has one. */
export class BadRequest extends Error {
  readonly id: Json
  readonly error: AgentError

  constructor(id: Json, context: string) {
    super(context)
    this.name = 'BadRequest'
    this.id = id
    this.error = syntaxError(context)
  }
}

/** Reads one line; throws BadRequest. */
export function parseRequest(line: string): Request {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new BadRequest(null, 'the line is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadRequest(null, 'the line is not a JSON object')
  }
  const { id = null, cmd, ...fields } = value as JsonFields
  if (typeof cmd !== 'string') throw new BadRequest(id, 'cmd is not a text')
  return { id, cmd, fields: new Fields(fields) }
}

/** Base64, its padding complete or left out; anything else would lose bytes silently. */
const BASE64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?$/

/** The fields of a request, read with their types. All methods throw AgentError CMD SYNTAX. */
export class Fields {
  readonly #values: JsonFields

  constructor(values: JsonFields) {
    this.#values = values
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null
  }

  text(name: string): string {
    const value = this.#values[name]
    if (typeof value !== 'string') throw syntaxError(`${name} is not a text`)
    return value
  }

  /** UTF-8 bytes of a text that may be left out. */
  info(name: string): Uint8Array {
    return new TextEncoder().encode(this.has(name) ? this.text(name) : '')
  }

  /** A truth value that may be left out. */
  flag(name: string): boolean | undefined {
    if (!this.has(name)) return undefined
    const value = this.#values[name]
    if (typeof value !== 'boolean') throw syntaxError(`${name} is neither true nor false`)
    return value
  }

  msgId(name: string): number {
    const value = this.#values[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw syntaxError(`${name} is not a message id`)
    return value
  }

  oneOf<T extends string>(name: string, ...allowed: readonly T[]): T {
    const value = this.text(name)
    const found = allowed.find((item) => item === value)
    if (found === undefined) throw syntaxError(`${name} is none of ${allowed.join(', ')}`)
    return found
  }

  /** The content of a message: `text`, or `body` in base64. */
  messageBody(): Uint8Array {
    if (this.has('text') === this.has('body')) throw syntaxError('a message has either text or body')
    if (this.has('text')) return new TextEncoder().encode(this.text('text'))
    const body = this.text('body')
    if (!BASE64.test(body)) throw syntaxError('body is not base64')
    return new Uint8Array(Buffer.from(body, 'base64'))
  }
}
