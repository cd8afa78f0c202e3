import type { AgentSession } from '../entrance.ts'
import type { AgentRecord } from '../protocol/index.ts'
import type { AcnStore, Registration, RegistrationKind } from '../store/index.ts'
import type { LocalAgent, LocalAgents } from './local-agents.ts'
import type { RoutingNetwork } from './network.ts'
import type { RoutingObserver } from './observer.ts'

/** What registrations are kept with. */
export interface RegistrationsOptions {
  readonly store: AcnStore
  readonly agents: LocalAgents
  readonly observer: RoutingObserver
  /** Address of the agent at the node's pipe, when it has one. */
  readonly ownAgent: string | undefined
  /** Whether agents are asked for fresh proofs, so that those that can give them are held to it. */
  readonly asksProofs: boolean
  /** Undefined until the router has started. */
  readonly network: () => RoutingNetwork | undefined
  /** The agent is not where it was: what is known of that is of no use. */
  readonly forgetRoute: (address: string) => void
}

/** Who is registered at this node, on what proof, and who of them others are to find. */
export class Registrations {
  readonly #options: RegistrationsOptions
  /** Agents that others are not to find. */
  readonly #unlisted = new Set<string>()
  /** Agents that are this node's although nobody is attached. */
  readonly #adopted = new Set<string>()

  constructor(options: RegistrationsOptions) {
    this.#options = options
  }

  /** Reads what earlier runs have left. */
  async restore(): Promise<void> {
    for (let afterAddress = ''; ; ) {
      const page = await this.#options.store.listRegistrations({ afterAddress, limit: 1000 })
      for (const registration of page) await this.#restoreAgent(registration)
      const last = page.at(-1)
      if (!last) return
      afterAddress = last.record.address
    }
  }

  async #restoreAgent({ kind, record, issuedAt, provenAt = 0 }: Registration): Promise<void> {
    const { agents, ownAgent, store } = this.#options
    if (kind === 'remote') return agents.rememberProven(record.address, provenAt)
    // An agent that had this node for its own and has it no more: it is elsewhere, or nowhere.
    if (kind === 'direct' && record.address !== ownAgent) {
      await store.deleteRegistration(record.address, issuedAt)
      return
    }
    agents.ensure(record, kind).provenAt = provenAt
  }

  /** False for an agent that others are not to find. */
  isListed(address: string): boolean {
    return !this.#unlisted.has(address)
  }

  isAdopted(address: string): boolean {
    return this.#adopted.has(address)
  }

  /**
   * Registers an agent that is this node's although nobody is attached.
   * @returns `known` when it was registered before with a record for the same peer, `elsewhere` when it has gone to another
   */
  async adopt(record: AgentRecord): Promise<'new' | 'known' | 'elsewhere'> {
    const { store, agents } = this.#options
    const { address } = record
    const stored = await store.getRegistration(address)
    if (stored?.kind === 'remote' && (stored.expiresAt ?? Number.POSITIVE_INFINITY) > Date.now()) return 'elsewhere'
    const isKnown = agents.get(address)?.record.peerPublicKey === record.peerPublicKey
    if (!isKnown) await this.register(record, 'delegate', Date.now())
    this.#adopted.add(address)
    return isKnown ? 'known' : 'new'
  }

  /** The agent has gone to another peer: others do not find it here any more. */
  moved(address: string): void {
    this.#adopted.delete(address)
    this.#options.network()?.withdraw(address)
  }

  /** Whether the agent's record is enough, which is a text that others know, or a fresh proof was given with it. */
  isTrusted({ kind, address, answeredChallenge }: AgentSession): boolean {
    const { ownAgent, asksProofs, agents } = this.#options
    if (kind === 'direct' || answeredChallenge) return true
    if (address === ownAgent) return false
    return !asksProofs || !(this.#adopted.has(address) || agents.isProven(address))
  }

  /** The agent of a session registers. */
  async registerSession({ record, kind, registeredAt, answeredChallenge, isListed }: AgentSession): Promise<void> {
    if (isListed === false) {
      await this.#hide(record.address)
      this.#options.agents.register(record, kind, 0)
      return
    }
    this.#unlisted.delete(record.address)
    await this.register(record, kind, registeredAt, answeredChallenge ? registeredAt : undefined)
  }

  /** An agent is not to be found from now on, also when it was before. */
  async #hide(address: string): Promise<void> {
    const { store, network } = this.#options
    this.#unlisted.add(address)
    const before = await store.getRegistration(address)
    if (before && before.kind !== 'remote') await store.deleteRegistration(address, before.issuedAt)
    network()?.withdraw(address)
  }

  /**
   * Stores and announces a registration.
   * @param issuedAt ms since 1970
   * @param provenAt when a fresh proof was given with it
   */
  async register(record: AgentRecord, kind: RegistrationKind, issuedAt: number, provenAt?: number): Promise<void> {
    const { store, agents, network, forgetRoute } = this.#options
    const registration = { kind, record, ...(provenAt !== undefined && { provenAt }) }
    if (!(await store.putRegistration({ ...registration, issuedAt }))) {
      // Another peer said that the agent was there, by a clock that is ahead of this one.
      const there = await store.getRegistration(record.address)
      await store.putRegistration({ ...registration, issuedAt: (there?.issuedAt ?? issuedAt) + 1 })
    }
    agents.register(record, kind, provenAt ?? 0)
    forgetRoute(record.address)
    network()
      ?.announce(record, issuedAt)
      .catch(() => {})
  }

  /** A session with a fresh proof has ended: the time without which nobody gets in begins now. */
  noteProven(agent: LocalAgent, { kind, record, registeredAt: issuedAt, answeredChallenge }: AgentSession): void {
    if (!answeredChallenge || agent.kind !== kind || agent.provenAt === 0) return
    agent.provenAt = Date.now()
    this.#options.store.putRegistration({ kind, record, issuedAt, provenAt: agent.provenAt }).catch(() => {
      this.#options.observer.log('warning', 'the time of a fresh proof could not be kept')
    })
  }
}
