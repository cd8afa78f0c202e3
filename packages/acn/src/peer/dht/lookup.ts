import {
  AcnStatusError,
  type AgentRecord,
  agentMultihash,
  peerIdOf,
  peerPublicKeyFromHex,
  STATUS,
} from '../../protocol/index.ts'
import type { PeerLimits } from '../limits.ts'
import type { PeerTimeouts } from '../timeouts.ts'

/** Providers that are asked at once. */
const CONCURRENCY = 4
/** Providers that one search asks. */
const MAX_ASKED = 32
/** Addresses that are remembered as not found. */
const MAX_NOT_FOUND = 10_000
/** By how much the wait between two searches grows, and its limit in milliseconds. */
const GROWTH = 1.5
const LONGEST_WAIT = 2_000

/** Where an agent is. */
export interface Resolution {
  /** Proven for the address and {@link peerId}. */
  readonly record: AgentRecord
  /** The peer that represents the agent: envelopes go there. */
  readonly peerId: string
  /** The peer that gave the record; another than {@link peerId} when it relays for that. */
  readonly provider: string
}

/** A peer that says that it provides an address. */
export interface Provider {
  readonly peerId: string
  readonly addresses: readonly Uint8Array[]
}

/** What a look-up works with. */
export interface LookupNetwork {
  /** Own peer id. */
  readonly peerId: string
  /** Those who provide a key, as they are found; ends with the signal. */
  findProviders(key: Uint8Array, signal: AbortSignal): AsyncIterable<Provider>
  /**
   * Asks a provider; the record is proven.
   * @throws when it has none
   */
  askProvider(provider: Provider, address: string, signal: AbortSignal): Promise<AgentRecord>
}

/** How an address is looked up. */
export interface LookupOptions {
  /** Peer id of the peer for which it is done; that peer is not asked. */
  readonly asker?: string
  /** Peer ids of peers that are known not to have the agent (any more): neither asked nor taken for an answer. */
  readonly exclude?: readonly string[]
  /** Milliseconds after which it is given up; one search is always made. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

interface Running {
  readonly result: Promise<Resolution | undefined>
  readonly askers: Set<string>
  readonly asking: Set<string>
  readonly excluded: Set<string>
  readonly abort: AbortController
  waiting: number
}

/**
 * Finds the record of an agent: searches the DHT for those who provide its address and asks them. One search is under
 * way for each address, whoever asks for it; an address that was not found is not looked for again for a while. A peer
 * that asks us for an address that we are just asking it for gets no answer from that: such circles end at once.
 */
export class AddressLookup {
  readonly #network: LookupNetwork
  readonly #limits: Pick<PeerLimits, 'foreignLookups'>
  readonly #timeouts: Pick<PeerTimeouts, 'lookup' | 'foreignLookup' | 'notFound' | 'searchAgain'>
  readonly #running = new Map<string, Running>()
  /** Until when an address is not looked for, in order of time. */
  readonly #notFound = new Map<string, number>()
  #foreign = 0
  #stopped = false

  constructor(
    network: LookupNetwork,
    limits: Pick<PeerLimits, 'foreignLookups'>,
    timeouts: Pick<PeerTimeouts, 'lookup' | 'foreignLookup' | 'notFound' | 'searchAgain'>,
  ) {
    this.#network = network
    this.#limits = limits
    this.#timeouts = timeouts
  }

  /** Searches under way. */
  get size(): number {
    return this.#running.size
  }

  /**
   * Where the agent is; undefined when nobody says so in time. For another peer one search is made; for ourselves they
   * are repeated until the time is over, as the agent may be about to come.
   * @throws AcnStatusError ERROR_GENERIC when too many look-ups for other peers are under way; the signal's reason
   */
  async find(address: string, options: LookupOptions = {}): Promise<Resolution | undefined> {
    const { asker, exclude = [], signal } = options
    signal?.throwIfAborted()
    if (this.#stopped || (exclude.length === 0 && this.#isNotFound(address))) return undefined
    const key = [asker === undefined ? 'own' : 'foreign', address, ...[...exclude].sort()].join(' ')
    let running = this.#running.get(key)
    if (running && asker !== undefined) {
      if (running.askers.has(asker) || running.asking.has(asker)) return undefined
      running.askers.add(asker)
      running.excluded.add(asker)
    }
    running ??= this.#start(key, address, options)
    return this.#join(running, signal)
  }

  /** Gives up what is under way; nothing is found any more. */
  stop(): void {
    this.#stopped = true
    for (const { abort } of this.#running.values()) abort.abort(new Error('host stops'))
  }

  /** Forgets that an address was not found, as when it is heard of. */
  expect(address: string): void {
    this.#notFound.delete(address)
  }

  #start(key: string, address: string, { asker, exclude = [], timeout }: LookupOptions): Running {
    const isForeign = asker !== undefined
    if (isForeign && this.#foreign >= this.#limits.foreignLookups) {
      throw new AcnStatusError(STATUS.ERROR_GENERIC, 'too many look-ups')
    }
    const limit = timeout ?? (isForeign ? this.#timeouts.foreignLookup : this.#timeouts.lookup)
    const abort = new AbortController()
    const excluded = new Set([this.#network.peerId, ...exclude, ...(isForeign ? [asker] : [])])
    const state = { askers: new Set(isForeign ? [asker] : []), asking: new Set<string>(), excluded, abort }
    if (isForeign) this.#foreign++
    const result = this.#run(address, state, limit, isForeign).finally(() => {
      this.#running.delete(key)
      if (isForeign) this.#foreign--
    })
    const running: Running = { ...state, result, waiting: 0 }
    this.#running.set(key, running)
    result.then(
      (found) => {
        if (!found && exclude.length === 0 && !abort.signal.aborted) this.#rememberNotFound(address)
      },
      () => {},
    )
    return running
  }

  /** Waits for a search; one for which nobody waits any more is given up. */
  async #join(running: Running, signal: AbortSignal | undefined): Promise<Resolution | undefined> {
    running.waiting++
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await (signal ? Promise.race([running.result, aborted.promise]) : running.result)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      running.waiting--
      if (running.waiting === 0) running.abort.abort(new Error('nobody waits for the look-up'))
    }
  }

  async #run(
    address: string,
    state: Pick<Running, 'asking' | 'excluded' | 'abort'>,
    timeout: number,
    once: boolean,
  ): Promise<Resolution | undefined> {
    const { signal } = state.abort
    const end = Date.now() + timeout
    let wait = this.#timeouts.searchAgain
    for (;;) {
      const found = await this.#search(address, state, Math.max(end - Date.now(), wait))
      if (found || once || signal.aborted || Date.now() + wait >= end) return found
      await sleep(wait, signal)
      wait = Math.min(wait * GROWTH, LONGEST_WAIT)
    }
  }

  /** One search: the first proven record wins, the other questions are given up. */
  async #search(
    address: string,
    { asking, excluded, abort }: Pick<Running, 'asking' | 'excluded' | 'abort'>,
    timeout: number,
  ): Promise<Resolution | undefined> {
    const done = new AbortController()
    const timer = setTimeout(() => done.abort(new Error('look-up took too long')), timeout)
    const signal = AbortSignal.any([done.signal, abort.signal])
    const found = Promise.withResolvers<Resolution | undefined>()
    const places = new Places(CONCURRENCY)
    const asked = new Set<string>()
    const ask = async (provider: Provider) => {
      asking.add(provider.peerId)
      try {
        const record = await this.#network.askProvider(provider, address, signal)
        const peerId = peerIdOf(peerPublicKeyFromHex(record.peerPublicKey))
        if (!excluded.has(peerId)) found.resolve({ record, peerId, provider: provider.peerId })
      } catch {
        // Another provider may know.
      } finally {
        asking.delete(provider.peerId)
        places.leave()
      }
    }
    const searchAll = async () => {
      for await (const provider of this.#network.findProviders(agentMultihash(address), signal)) {
        if (asked.size >= MAX_ASKED || signal.aborted) break
        if (excluded.has(provider.peerId) || asked.has(provider.peerId)) continue
        asked.add(provider.peerId)
        await places.enter()
        void ask(provider)
      }
      await places.empty()
      found.resolve(undefined)
    }
    searchAll().catch(() => found.resolve(undefined))
    signal.addEventListener('abort', () => found.resolve(undefined), { once: true })
    try {
      return await found.promise
    } finally {
      clearTimeout(timer)
      done.abort(new Error('look-up is over'))
    }
  }

  #isNotFound(address: string): boolean {
    const until = this.#notFound.get(address)
    if (until === undefined) return false
    if (until > Date.now()) return true
    this.#notFound.delete(address)
    return false
  }

  #rememberNotFound(address: string): void {
    this.#notFound.delete(address)
    this.#notFound.set(address, Date.now() + this.#timeouts.notFound)
    const [oldest] = this.#notFound.keys()
    if (this.#notFound.size > MAX_NOT_FOUND && oldest !== undefined) this.#notFound.delete(oldest)
  }
}

/** So many at once. */
class Places {
  #free: number
  readonly #all: number
  #waiting: (() => void) | undefined

  constructor(all: number) {
    this.#all = all
    this.#free = all
  }

  /** Waits for a place; one caller at a time. */
  async enter(): Promise<void> {
    if (this.#free === 0) await this.#change()
    this.#free--
  }

  leave(): void {
    this.#free++
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Waits until all places are free. */
  async empty(): Promise<void> {
    while (this.#free < this.#all) await this.#change()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }
}

async function sleep(time: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, time)
    signal.addEventListener('abort', end, { once: true })
  })
}
