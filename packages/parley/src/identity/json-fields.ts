import { LedgerIdentityError } from './identity-error.ts'

/** A JSON object whose fields are asked for by name and kind. */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>

  private constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields
  }

  /** @throws LedgerIdentityError FORMAT when the text is no JSON object */
  static parse(text: string): JsonFields {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw new LedgerIdentityError('FORMAT', 'the file is not JSON')
    }
    return JsonFields.of(value)
  }

  /** @throws LedgerIdentityError FORMAT when the value is no object */
  static of(value: unknown): JsonFields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new LedgerIdentityError('FORMAT', 'the file is no JSON object')
    }
    return new JsonFields(value as Record<string, unknown>)
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name)
  }

  /** @throws LedgerIdentityError FORMAT */
  object(name: string): JsonFields {
    try {
      return JsonFields.of(this.#fields[name])
    } catch {
      throw wrong(name)
    }
  }

  /** @throws LedgerIdentityError FORMAT */
  text(name: string): string {
    const value = this.#fields[name]
    if (typeof value !== 'string') throw wrong(name)
    return value
  }

  /** @throws LedgerIdentityError FORMAT */
  number(name: string): number {
    const value = this.#fields[name]
    if (typeof value !== 'number') throw wrong(name)
    return value
  }

  /**
   * Bytes as text; of `length` bytes where that is given.
   * @throws LedgerIdentityError FORMAT
   */
  bytes(name: string, encoding: 'base64' | 'hex', length?: number): Uint8Array {
    const text = this.text(name)
    const bytes = Buffer.from(text, encoding)
    // Node reads what it can and leaves out the rest.
    const isWhole = bytes.toString(encoding) === (encoding === 'hex' ? text.toLowerCase() : text)
    if (!isWhole || (length !== undefined && bytes.length !== length)) throw wrong(name)
    return new Uint8Array(bytes)
  }
}

function wrong(name: string): LedgerIdentityError {
  return new LedgerIdentityError('FORMAT', `${name} of the file is missing or malformed`)
}
