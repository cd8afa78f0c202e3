/** How often something may happen: `burst` at once, and then so many a second. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Lets through what a rate allows. */
export class TokenBucket {
  readonly #rate: Rate
  readonly #now: () => number
  #tokens: number
  #at: number

  /** @param now milliseconds of any clock that does not go back */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate
    this.#now = now
    this.#tokens = rate.burst
    this.#at = now()
  }

  /** Takes one if there is one. */
  tryTake(): boolean {
    this.#refill()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Milliseconds until there is one. */
  get wait(): number {
    this.#refill()
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / this.#rate.perSecond)
  }

  /** True when nothing is taken: it can be forgotten. */
  get isFull(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  #refill(): void {
    const now = this.#now()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate.perSecond)
    this.#at = now
  }
}

/** Buckets by key. Full ones are forgotten when there are too many; then the one that was used first. */
export class TokenBuckets {
  readonly #rate: Rate
  readonly #now: () => number
  readonly #max: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(rate: Rate, now: () => number, max: number) {
    this.#rate = rate
    this.#now = now
    this.#max = max
  }

  tryTake(key: string): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, this.#now)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    const taken = bucket.tryTake()
    // After it was used: a full one would be forgotten at once.
    if (this.#buckets.size > this.#max) this.#forget()
    return taken
  }

  #forget(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > this.#max && oldest !== undefined) this.#buckets.delete(oldest)
  }
}
