/** Why a ratchet could not encrypt or decrypt: `spec/pqdr.md §5, §6, §9`. */
export type RatchetErrorReason =
  /** The encrypted message or its decrypted content does not parse, or a key in it cannot be used. */
  | { readonly code: 'SYNTAX' }
  /** No header key decrypts the header. */
  | { readonly code: 'HEADER' }
  /** The message's key was used already: it was received before. */
  | { readonly code: 'DUPLICATE' }
  /** The message is `count` before the last received one and its key is not kept (any more). */
  | { readonly code: 'EARLIER'; readonly count: number }
  /** The message is the `count`th after the last received one: too many keys would have to be kept. */
  | { readonly code: 'TOO_MANY_SKIPPED'; readonly count: number }
  /** The body does not decrypt with its key. */
  | { readonly code: 'DECRYPT_AES' }
  /** The plaintext or the header does not fit the padded length. */
  | { readonly code: 'LARGE_MSG' }
  /** The ratchet cannot do this yet: there is no sending chain. */
  | { readonly code: 'STATE' }
  /** A KEM ciphertext for a key that was never proposed. */
  | { readonly code: 'KEM_STATE' }

export type RatchetErrorCode = RatchetErrorReason['code']

/** A failure of the double ratchet or of the key agreement before it. Never carries keys or contents. */
export class RatchetError extends Error {
  readonly reason: RatchetErrorReason

  constructor(reason: RatchetErrorReason, options?: ErrorOptions) {
    super('count' in reason ? `ratchet ${reason.code} ${reason.count}` : `ratchet ${reason.code}`, options)
    this.name = 'RatchetError'
    this.reason = reason
  }

  get code(): RatchetErrorCode {
    return this.reason.code
  }
}
