import type { DhtPeer } from './message.ts'

/** Bounds of a {@link ProviderStore}. */
export interface ProviderStoreOptions {
  /** Records in all. */
  readonly limit: number
  /** Records of one provider. */
  readonly limitPerProvider: number
  /** Providers of one key. */
  readonly limitPerKey?: number
  /** Milliseconds for which a record holds. */
  readonly validity?: number
}

/** How long the network takes a record to be valid: `spec/acn.md §6`. */
const VALIDITY = 48 * 3_600_000
const LIMIT_PER_KEY = 32

interface ProviderRecord {
  readonly provider: DhtPeer
  readonly expires: number
}

/**
 * Who provides which key, as other peers said. In memory and bounded: a provider that says too much is not heard
 * further, and when all is full the record that is nearest to its end makes room. A key's newest provider comes first.
 */
export class ProviderStore {
  readonly #options: Required<ProviderStoreOptions>
  /** Keys in hexadecimal, then provider ids. Records of a key are in order of arrival. */
  readonly #keys = new Map<string, Map<string, ProviderRecord>>()
  readonly #perProvider = new Map<string, number>()
  /** Where each record is, in order of arrival, which is the order in which they end. */
  readonly #order = new Map<string, { readonly key: string; readonly id: string }>()

  constructor(options: ProviderStoreOptions) {
    this.#options = { limitPerKey: LIMIT_PER_KEY, validity: VALIDITY, ...options }
  }

  /** Number of records, expired ones included. */
  get size(): number {
    return this.#order.size
  }

  /** Keeps what a peer says about itself; false when that peer already has as many records as it may. */
  add(key: Uint8Array, provider: DhtPeer, now = Date.now()): boolean {
    const keyText = toText(key)
    const id = toText(provider.id)
    this.#remove(keyText, id)
    if ((this.#perProvider.get(id) ?? 0) >= this.#options.limitPerProvider) return false
    this.#expire(now)
    if (this.#order.size >= this.#options.limit) this.#removeFirst()
    const records = this.#keys.get(keyText) ?? new Map<string, ProviderRecord>()
    const [oldest] = records.keys()
    if (oldest !== undefined && records.size >= this.#options.limitPerKey) this.#remove(keyText, oldest)
    this.#keys.set(keyText, records)
    records.set(id, { provider, expires: now + this.#options.validity })
    this.#order.set(orderKey(keyText, id), { key: keyText, id })
    this.#perProvider.set(id, (this.#perProvider.get(id) ?? 0) + 1)
    return true
  }

  /** The providers of a key, the newest first. */
  get(key: Uint8Array, now = Date.now()): DhtPeer[] {
    const records = this.#keys.get(toText(key))
    if (!records) return []
    return [...records.values()]
      .filter(({ expires }) => expires > now)
      .map(({ provider }) => provider)
      .reverse()
  }

  #expire(now: number): void {
    for (const { key, id } of this.#order.values()) {
      const record = this.#keys.get(key)?.get(id)
      if (record && record.expires > now) return
      this.#remove(key, id)
    }
  }

  #removeFirst(): void {
    for (const { key, id } of this.#order.values()) {
      this.#remove(key, id)
      return
    }
  }

  #remove(key: string, id: string): void {
    const records = this.#keys.get(key)
    if (!records?.delete(id)) return
    if (records.size === 0) this.#keys.delete(key)
    this.#order.delete(orderKey(key, id))
    const left = (this.#perProvider.get(id) ?? 1) - 1
    if (left === 0) this.#perProvider.delete(id)
    else this.#perProvider.set(id, left)
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

function orderKey(key: string, id: string): string {
  return `${key} ${id}`
}
