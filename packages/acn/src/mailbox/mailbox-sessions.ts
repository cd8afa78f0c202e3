import { addressGroup } from '../entrance/connection-limits.ts'
import type { MailboxSession } from './mailbox-session.ts'

/** How many sessions a mailbox has, and for how long. */
export interface SessionLimits {
  readonly maxSessions: number
  /** From one address: one more ends the one that was not used for longest. */
  readonly maxPerAddress: number
  /** How long a session lives without a request, ms. */
  readonly idleMs: number
}

/** Sessions of clients that vanished without a word end after a day. */
export const SESSION_LIMITS: SessionLimits = {
  maxSessions: 16_384,
  maxPerAddress: 4_096,
  idleMs: 24 * 60 * 60 * 1000,
}

/** Tokens of sessions that another one took the place of: they may still be unregistered, to no effect. */
const REMEMBERED_TOKENS = 10_000

/** The sessions of a mailbox: one for each agent, the newest. */
export class MailboxSessions {
  readonly #limits: SessionLimits
  /** In order of use, the one not used for longest first. */
  readonly #byToken = new Map<string, MailboxSession>()
  readonly #byAgent = new Map<string, MailboxSession>()
  readonly #groups = new Map<string, Set<MailboxSession>>()
  readonly #superseded = new Set<string>()

  constructor(limits: SessionLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#byToken.size
  }

  /** The session of an agent. */
  ofAgent(address: string): MailboxSession | undefined {
    return this.#byAgent.get(address)
  }

  /** The session with this token, which counts as used now; sessions that were not used for too long are gone. */
  use(token: string): MailboxSession | undefined {
    this.endIdle()
    const session = this.#byToken.get(token)
    if (!session) return undefined
    session.lastUsed = Date.now()
    this.#byToken.delete(token)
    this.#byToken.set(token, session)
    return session
  }

  /** Whether there is room for a session from this address; makes it where the address has too many. */
  makeRoom(remoteAddress: string): boolean {
    this.endIdle()
    const group = this.#groups.get(addressGroup(remoteAddress))
    if (group && group.size >= this.#limits.maxPerAddress) {
      let oldest: MailboxSession | undefined
      for (const session of group) if (!oldest || session.lastUsed < oldest.lastUsed) oldest = session
      if (oldest) this.#end(oldest)
    }
    return this.#byToken.size < this.#limits.maxSessions
  }

  add(session: MailboxSession): void {
    const name = addressGroup(session.remoteAddress)
    const group = this.#groups.get(name) ?? new Set()
    this.#groups.set(name, group.add(session))
    this.#byToken.set(session.token, session)
    this.#byAgent.set(session.address, session)
  }

  /** Removes a session that has ended. */
  remove(session: MailboxSession): void {
    this.#byToken.delete(session.token)
    if (this.#byAgent.get(session.address) === session) this.#byAgent.delete(session.address)
    const name = addressGroup(session.remoteAddress)
    const group = this.#groups.get(name)
    group?.delete(session)
    if (group?.size === 0) this.#groups.delete(name)
  }

  /** Remembers a token whose session ended because its agent registered again. */
  supersede(token: string): void {
    this.#superseded.add(token)
    for (const oldest of this.#superseded) {
      if (this.#superseded.size <= REMEMBERED_TOKENS) break
      this.#superseded.delete(oldest)
    }
  }

  wasSuperseded(token: string): boolean {
    return this.#superseded.has(token)
  }

  /** Ends sessions that were not used for too long: looked at whenever one is used or made. */
  endIdle(): void {
    const since = Date.now() - this.#limits.idleMs
    for (const session of this.#byToken.values()) {
      if (session.lastUsed > since) break
      this.#end(session)
    }
  }

  /** Ends all sessions. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#byToken.values()].map((session) => session.end()))
  }

  #end(session: MailboxSession): void {
    this.remove(session)
    void session.end()
  }
}
