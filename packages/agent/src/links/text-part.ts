import { CryptoError, type KeyAlgorithm, PublicKey } from '@parley/core/crypto'
import { DecodeError, fromBase64url } from '@parley/core/encoding'

/**
 * A piece of an input text and where it stands there, so that errors name a position in what the user gave.
 * In a piece that was percent-decoded positions cannot be mapped back: all its errors are at its start.
 */
export class TextPart {
  readonly text: string
  readonly offset: number
  readonly #exact: boolean

  constructor(text: string, offset = 0, exact = true) {
    this.text = text
    this.offset = offset
    this.#exact = exact
  }

  /** Position in the input of the character at `index`. */
  at(index: number): number {
    return this.#exact ? this.offset + index : this.offset
  }

  /** The characters from `start` up to `end`. */
  slice(start: number, end: number = this.text.length): TextPart {
    return new TextPart(this.text.slice(start, end), this.at(start), this.#exact)
  }

  /** The pieces between separators. */
  split(separator: string): TextPart[] {
    const parts: TextPart[] = []
    let start = 0
    for (const piece of this.text.split(separator)) {
      parts.push(this.slice(start, start + piece.length))
      start += piece.length + separator.length
    }
    return parts
  }

  /** Both sides of the first separator, or undefined without one. */
  cut(separator: string): [before: TextPart, after: TextPart] | undefined {
    const index = this.text.indexOf(separator)
    if (index < 0) return undefined
    return [this.slice(0, index), this.slice(index + separator.length)]
  }

  /** @throws DecodeError always */
  fail(reason: string, index = 0): never {
    throw new DecodeError(reason, this.at(index))
  }

  /** The result of `read`, whose errors count from the start of this part. */
  read<T>(read: (text: string) => T): T {
    try {
      return read(this.text)
    } catch (error) {
      if (error instanceof DecodeError) throw new DecodeError(error.reason, this.at(error.offset))
      throw error
    }
  }

  /** The bytes of base64url text, in an array of their own. */
  base64url(): Uint8Array {
    return Uint8Array.from(this.read(fromBase64url))
  }

  /** A public key of one of the algorithms, base64url of SPKI. */
  publicKey<A extends KeyAlgorithm>(...algorithms: A[]): PublicKey<A> {
    const der = this.base64url()
    try {
      const key = PublicKey.fromSpki(der)
      if (algorithms.some((algorithm) => key.is(algorithm))) return key as PublicKey<A>
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error
    }
    return this.fail(`not a key of ${algorithms.join(' or ')}`)
  }
}
