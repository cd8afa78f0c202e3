import { type KemKeyPair, KemKeyPairPool, loadSntrup761, type Sntrup761 } from '@parley/core/crypto'
import { type RatchetRandom, ratchetRandom } from './ratchet/index.ts'

/** The post-quantum KEM and key pairs for it that were made ahead. */
export class KemKeys {
  readonly #kem: Sntrup761
  readonly #pool: KemKeyPairPool

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
    return ratchetRandom(this.#kem)
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
    const random = ratchetRandom(this.#kem, pair)
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

  /** Stops making key pairs. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}
