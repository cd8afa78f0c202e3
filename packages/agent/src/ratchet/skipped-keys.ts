import { equalBytes, toHex } from '@parley/core/encoding'

/** Key and IV of one message's body. */
export interface MessageKey {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 16 bytes. */
  readonly iv: Uint8Array
}

/** Key of a message that was not received when later ones of its chain were. */
export interface SkippedKey {
  /** Header key of its chain, 32 bytes. */
  readonly headerKey: Uint8Array
  /** Number of the message in its chain. */
  readonly number: number
  readonly messageKey: MessageKey
}

/** The kept keys of skipped messages, as decryption looks them up. A store may answer from its tables. */
export interface SkippedKeys {
  /** Every chain that has kept keys, once. */
  headerKeys(): Iterable<Uint8Array>
  /** The kept key of one message. */
  find(headerKey: Uint8Array, number: number): MessageKey | undefined
}

/** What a decryption changes in the kept keys, to be stored together with the new ratchet. */
export interface SkippedKeysDiff {
  /** Keys to keep. */
  readonly added: readonly SkippedKey[]
  /** The key that was used and must be forgotten. */
  readonly removed?: Pick<SkippedKey, 'headerKey' | 'number'>
}

/** Nothing changes. */
export const NO_SKIPPED_KEYS_DIFF: SkippedKeysDiff = { added: [] }

interface Chain {
  readonly headerKey: Uint8Array
  readonly keys: Map<number, MessageKey>
}

/** Kept keys in memory. */
export class SkippedKeyMap implements SkippedKeys {
  readonly #chains = new Map<string, Chain>()

  constructor(keys: Iterable<SkippedKey> = []) {
    for (const key of keys) this.#add(key)
  }

  /** Number of kept keys. */
  get size(): number {
    let size = 0
    for (const { keys } of this.#chains.values()) size += keys.size
    return size
  }

  *headerKeys(): Iterable<Uint8Array> {
    for (const { headerKey } of this.#chains.values()) yield headerKey
  }

  find(headerKey: Uint8Array, number: number): MessageKey | undefined {
    return this.#chains.get(toHex(headerKey))?.keys.get(number)
  }

  /** All kept keys, chain by chain. */
  *[Symbol.iterator](): Iterator<SkippedKey> {
    for (const { headerKey, keys } of this.#chains.values()) {
      for (const [number, messageKey] of keys) yield { headerKey, number, messageKey }
    }
  }

  /** Keeps and forgets what a decryption says. */
  apply({ added, removed }: SkippedKeysDiff): void {
    for (const key of added) this.#add(key)
    if (removed) this.#remove(removed)
  }

  #add({ headerKey, number, messageKey }: SkippedKey): void {
    const id = toHex(headerKey)
    const chain = this.#chains.get(id) ?? { headerKey, keys: new Map() }
    this.#chains.set(id, chain)
    chain.keys.set(number, messageKey)
  }

  #remove({ headerKey, number }: Pick<SkippedKey, 'headerKey' | 'number'>): void {
    const id = toHex(headerKey)
    const chain = this.#chains.get(id)
    if (!chain) return
    chain.keys.delete(number)
    if (chain.keys.size === 0) this.#chains.delete(id)
  }
}

/** True when both are the same chain's. */
export function sameHeaderKey(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && equalBytes(a, b)
}
