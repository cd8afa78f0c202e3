import {
  type DhAlgorithm,
  type KemKeyPair,
  KemKeyPairPool,
  loadSntrup761,
  PrivateKey,
  type Sntrup761,
} from '@parley/core/crypto'
import { type RatchetRandom, ratchetRandom } from './ratchet/index.ts'

/** How long after the use of a key the next one is made, ms. */
const DH_KEY_DELAY = 10

/** The post-quantum KEM and key pairs for it that were made ahead, and a key of X448. */
export class KemKeys {
  readonly #kem: Sntrup761
  readonly #pool: KemKeyPairPool
  #dhKey: PrivateKey<'x448'> | undefined
  #makingDhKey: NodeJS.Timeout | undefined

  private constructor(kem: Sntrup761, pool: KemKeyPairPool) {
    this.#kem = kem
    this.#pool = pool
  }

  /** @param poolSize key pairs made ahead */
  static async load(poolSize: number): Promise<KemKeys> {
    return new KemKeys(await loadSntrup761(), new KemKeyPairPool({ size: poolSize }))
  }

  /** Randomness for a step of a ratchet that takes no KEM key pair. */
  withoutPair(): RatchetRandom {
    return this.#random()
  }

  /**
   * Runs `use` with randomness that holds a KEM key pair when one is needed; a pair that was not used goes back.
   * @param needed whether to take one
   */
  async withPair<T>(needed: boolean, use: (random: RatchetRandom) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return needed ? this.#with(await this.#pool.take(signal), use) : use(this.withoutPair())
  }

  /**
   * The same for a step that may need a pair: with one if one is ready.
   * @param use is told whether there is one
   */
  async withReadyPair<T>(use: (random: RatchetRandom, hasPair: boolean) => Promise<T>): Promise<T> {
    const pair = this.#pool.takeReady()
    return pair ? this.#with(pair, (random) => use(random, true)) : use(this.withoutPair(), false)
  }

  async #with<T>(pair: KemKeyPair, use: (random: RatchetRandom) => Promise<T>): Promise<T> {
    let used = false
    const random = this.#random(pair)
    const counting: RatchetRandom = {
      ...random,
      kemKeyPair() {
        used = true
        return random.kemKeyPair()
      },
    }
    try {
      return await use(counting)
    } finally {
      if (used) this.#pool.refill()
      else this.#pool.giveBack(pair)
    }
  }

  #random(pair?: KemKeyPair): RatchetRandom {
    return { ...ratchetRandom(this.#kem, pair), dhKey: (algorithm) => this.#takeDhKey(algorithm) }
  }

  /** To make a key of X448 ready for use takes as long as an agreement with it: done ahead, as every step needs one. */
  #takeDhKey<A extends DhAlgorithm>(algorithm: A): PrivateKey<A> {
    this.#makingDhKey ??= setTimeout(() => this.#makeDhKey(), DH_KEY_DELAY).unref()
    const key = this.#dhKey
    if (!key?.is(algorithm)) return PrivateKey.generate(algorithm)
    this.#dhKey = undefined
    return key
  }

  #makeDhKey(): void {
    this.#makingDhKey = undefined
    if (this.#dhKey) return
    this.#dhKey = PrivateKey.generate('x448')
    // Both are made on first use.
    void this.#dhKey.keyObject
    void this.#dhKey.publicKey
  }

  /** Stops making key pairs. */
  close(): Promise<void> {
    clearTimeout(this.#makingDhKey)
    this.#dhKey = undefined
    return this.#pool.close()
  }
}
