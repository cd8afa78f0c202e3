import { setTimeout as sleep } from 'node:timers/promises'
import { decodeDates, encodeDates } from '../entrance/extension.ts'
import type { LinkPool } from '../link/index.ts'
import type { AcnHost } from '../peer/index.ts'
import { type AgentRecord, peerIdOf, peerPublicKeyFromHex } from '../protocol/index.ts'
import {
  isNewerRegistration,
  type PeerKey,
  REGISTRATION_LIFETIME,
  type SignedRegistration,
  signRegistration,
  verifyRegistration,
} from '../record/index.ts'
import type { AcnStore } from '../store/index.ts'

/** Peers that are told of one registration at most. */
const MAX_TOLD = 64
/** How long it takes to tell at most, ms. */
const TELL_TIME = 10_000
/** How long after a registration led nowhere it is not followed again, ms. */
const DOUBT = 5_000
/** Registrations of other peers that are taken from one peer: this many at once, and a second. */
const BURST = 2_000
const RATE = 200

/** What registrations are exchanged with. */
export interface RegistrationsOptions {
  readonly key: PeerKey
  readonly host: AcnHost
  readonly links: LinkPool
  readonly store: AcnStore
  /** Whether an agent of this peer is there now. */
  readonly isHere: (address: string) => boolean
  /** Whether the record is that of a relay client of this peer, as it registered here. */
  readonly isRelayed: (record: AgentRecord) => boolean
  /** Another peer has signed a newer registration. */
  readonly onMoved: (record: AgentRecord) => void
}

/** Where an agent is, by the word of the peer that represents it. */
interface Known {
  readonly registration: SignedRegistration
  readonly isOwn: boolean
  /** Milliseconds since 1970 at which following it failed. */
  doubtedAt: number
}

/**
 * The newest signed registration of each agent, own and other peers': told to Parley peers, kept over restarts. Of two
 * peers that say an agent is theirs the newer registration is right. `docs/acn-registrations.md`.
 */
export class Registrations {
  readonly #options: RegistrationsOptions
  readonly #known = new Map<string, Known>()
  readonly #tokens = new Map<string, { tokens: number; at: number }>()
  readonly #abort = new AbortController()
  readonly #telling = new Set<Promise<void>>()
  #deadline: { readonly signal: AbortSignal; readonly until: number } | undefined

  constructor(options: RegistrationsOptions) {
    this.#options = options
  }

  /** Reads other peers' registrations from the store, and begins to renew the own ones. */
  async start(): Promise<void> {
    for (let afterAddress = ''; ; ) {
      const page = await this.#options.store.listRegistrations({ kind: 'remote', afterAddress, limit: 1000 })
      for (const { record, attestation } of page) {
        if (attestation) this.#remember({ record, ...decodeDates(attestation) }, false)
      }
      const last = page.at(-1)
      if (!last) break
      afterAddress = last.record.address
    }
    this.#track(this.#renew())
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('node stops'))
    await Promise.allSettled(this.#telling)
  }

  /** An agent has come to this peer: signs that and tells those whom it concerns, in the background. */
  publish(record: AgentRecord, issuedAt: number): void {
    // Of a relay client: its own peer represents it.
    if (record.peerPublicKey !== this.#options.key.publicKeyHex) return
    const known = this.#newest(record.address)
    // The agent has just come: another peer's clock may be ahead.
    const from = known && !known.isOwn ? Math.max(issuedAt, known.registration.issuedAt + 1) : issuedAt
    const registration = signRegistration(record, this.#options.key, from)
    this.#remember(registration, true)
    this.#track(this.#tell(registration, true))
  }

  /** The agent is here no more: its registration is not renewed. */
  forget(address: string): void {
    if (this.#known.get(address)?.isOwn) this.#known.delete(address)
  }

  /** Where an agent is, as another peer has signed it and nobody newer; undefined when that led nowhere a moment ago. */
  whereabouts(address: string): { readonly record: AgentRecord; readonly peerId: string } | undefined {
    const known = this.#newest(address)
    if (!known || known.isOwn || known.doubtedAt + DOUBT > Date.now()) return undefined
    const { record } = known.registration
    return { record, peerId: peerIdOf(peerPublicKeyFromHex(record.peerPublicKey)) }
  }

  /** Following the registration led nowhere. */
  doubt(address: string): void {
    const known = this.#known.get(address)
    if (known) known.doubtedAt = Date.now()
  }

  /**
   * Another peer tells of a registration.
   * @returns a newer one that is known
   * @throws AcnStatusError when it proves nothing
   */
  async take(registration: SignedRegistration, from: string): Promise<SignedRegistration | undefined> {
    const { address } = registration.record
    const known = this.#newest(address)?.registration
    if (known && !isNewerRegistration(registration, known)) {
      return isNewerRegistration(known, registration) ? known : undefined
    }
    // What comes too fast is not taken: it comes again when it is renewed, or is asked for.
    if (!this.#admit(from)) return undefined
    verifyRegistration(registration, { cache: this.#options.host.proofs })
    if (registration.record.peerPublicKey === this.#options.key.publicKeyHex) return undefined
    const { record, ...dates } = registration
    const { issuedAt, expiresAt } = dates
    const attestation = encodeDates(dates)
    const wasOwn = this.#known.get(address)?.isOwn ?? false
    this.#remember(registration, false)
    if (this.#options.isRelayed(record)) {
      // A relay client speaks for its agent; this peer is where others find it all the same.
      await this.#options.store.putRegistration({ kind: 'relay', record, issuedAt })
      this.#track(this.#options.host.announce(address))
    } else {
      await this.#options.store.putRegistration({ kind: 'remote', record, issuedAt, expiresAt, attestation })
    }
    this.#options.onMoved(record)
    // Those who asked this peer before hear of it from this peer.
    if (wasOwn) this.#track(this.#tell(registration, false))
    return undefined
  }

  #newest(address: string): Known | undefined {
    const known = this.#known.get(address)
    if (known && known.registration.expiresAt <= Date.now()) {
      this.#known.delete(address)
      return undefined
    }
    return known
  }

  #remember(registration: SignedRegistration, isOwn: boolean): void {
    const { address } = registration.record
    this.#known.delete(address)
    this.#known.set(address, { registration, isOwn, doubtedAt: 0 })
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#options.store.limits.maxRegistrations && oldest !== undefined) {
      this.#known.delete(oldest)
    }
  }

  /** Tells the Parley peers that are connected, and those that the DHT names for the address. */
  async #tell(registration: SignedRegistration, isFresh: boolean): Promise<void> {
    const { host, links } = this.#options
    const signal = this.#tellDeadline()
    const told = new Set<string>([host.peerId])
    const newer: SignedRegistration[] = []
    const tell = async (peerId: string): Promise<void> => {
      if (told.has(peerId) || told.size > MAX_TOLD) return
      told.add(peerId)
      const link = await links.get(peerId, signal)
      const answer = await link?.tell(registration, signal)
      if (answer) newer.push(answer)
    }
    const attempts = host.connectedPeers.map((peerId) => tell(peerId).catch(() => {}))
    try {
      for await (const peerId of host.providersOf(registration.record.address, signal)) {
        attempts.push(tell(peerId).catch(() => {}))
      }
    } catch {
      // Those who are connected know; others ask the DHT.
    }
    await Promise.all(attempts)
    for (const other of newer) await this.#onNewer(registration, other, isFresh)
  }

  /** The same for all that is told within a second: many agents may come at once. */
  #tellDeadline(): AbortSignal {
    const now = performance.now()
    if (!this.#deadline || this.#deadline.until < now) {
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(TELL_TIME)])
      this.#deadline = { signal, until: now + 1_000 }
    }
    return this.#deadline.signal
  }

  /** Another peer knows a newer registration of an agent that this one takes for its own. */
  async #onNewer(own: SignedRegistration, other: SignedRegistration, isFresh: boolean): Promise<void> {
    try {
      verifyRegistration(other, { cache: this.#options.host.proofs })
    } catch {
      return
    }
    const { record } = own
    const current = this.#known.get(record.address)
    if (current?.registration !== own) return
    // One that has left meanwhile went there: it was quicker than what was told of its coming here.
    const hasJustCome = isFresh && this.#options.isHere(record.address)
    if (!hasJustCome) return void (await this.take(other, this.#options.host.peerId).catch(() => {}))
    // The agent came here a moment ago: the other peer's clock is ahead of this one's.
    const registration = signRegistration(record, this.#options.key, other.issuedAt + 1)
    this.#remember(registration, true)
    await this.#tell(registration, false)
  }

  /** Signs the own registrations anew before others forget them. */
  async #renew(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await sleep(REGISTRATION_LIFETIME / 12, undefined, { signal, ref: false }).catch(() => {})
      for (const { registration, isOwn } of [...this.#known.values()]) {
        if (signal.aborted) return
        const { record, issuedAt } = registration
        if (!isOwn || issuedAt + REGISTRATION_LIFETIME / 3 > Date.now()) continue
        // Of an agent that is away nothing is claimed anew: it may have gone to a peer that says nothing.
        if (!this.#options.isHere(record.address)) continue
        const renewed = signRegistration(record, this.#options.key, Date.now())
        this.#remember(renewed, true)
        await this.#tell(renewed, false)
      }
    }
  }

  #admit(peerId: string, now: number = Date.now()): boolean {
    const before = this.#tokens.get(peerId) ?? { tokens: BURST, at: now }
    const tokens = Math.min(BURST, before.tokens + ((now - before.at) / 1000) * RATE)
    this.#tokens.delete(peerId)
    this.#tokens.set(peerId, { tokens: Math.max(0, tokens - 1), at: now })
    const [oldest] = this.#tokens.keys()
    if (this.#tokens.size > BURST && oldest !== undefined) this.#tokens.delete(oldest)
    return tokens >= 1
  }

  #track(work: Promise<void>): void {
    this.#telling.add(work)
    work.catch(() => {}).finally(() => this.#telling.delete(work))
  }
}
