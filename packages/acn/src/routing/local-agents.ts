import type { AgentSession } from '../entrance.ts'
import type { AgentRecord } from '../protocol/index.ts'
import type { RegistrationKind } from '../store/index.ts'
import type { AgentSource } from './agent-source.ts'

/** Sessions of one agent, those that get its envelopes first in front: `spec/acn.md §9`. */
const PREFERENCE = ['mailbox', 'direct', 'delegate'] as const

/** An agent that is registered at this node. */
export interface LocalAgent {
  kind: RegistrationKind
  record: AgentRecord
  readonly sources: Set<AgentSource>
  /** It has gone to another peer since it was last here. */
  hasMoved: boolean
  /** Milliseconds since 1970; while no session is there. */
  awaySince: number
  /** Milliseconds since 1970 at which it was last here with a fresh proof; 0 when it never was. */
  provenAt: number
  /** Milliseconds since 1970 at which it was last told again that it is here. */
  toldAgainAt: number
}

/**
 * How long after an agent was here with a fresh proof nobody gets in without one, ms. Its record is known to others; who
 * copied it waits for the agent to be away. An agent that goes over to a program without challenges waits for as long.
 */
const PROVEN_FOR = 24 * 3_600_000

/** The agents that are registered at this node, attached or away. */
export class LocalAgents {
  readonly #agents = new Map<string, LocalAgent>()
  /** When agents that have gone to other peers were last here with a fresh proof, as far as that still counts. */
  readonly #provenBefore = new Map<string, number>()
  #relayClients = 0

  /** Agents of relay clients. */
  get relayClients(): number {
    return this.#relayClients
  }

  get addresses(): string[] {
    return [...this.#agents.keys()]
  }

  get(address: string): LocalAgent | undefined {
    return this.#agents.get(address)
  }

  values(): Iterable<LocalAgent> {
    return this.#agents.values()
  }

  /** The agent of a record, added when it is not there; one that is there keeps its record. */
  ensure(record: AgentRecord, kind: RegistrationKind): LocalAgent {
    let agent = this.#agents.get(record.address)
    if (!agent) {
      agent = { kind, record, sources: new Set(), hasMoved: false, awaySince: Date.now(), provenAt: 0, toldAgainAt: 0 }
      this.#agents.set(record.address, agent)
      if (kind === 'relay') this.#relayClients++
    }
    return agent
  }

  /**
   * The agent registers: this is its record from now on.
   * @param provenAt when it gave a fresh proof with it, ms since 1970; 0 when it did not
   */
  register(record: AgentRecord, kind: RegistrationKind, provenAt: number): LocalAgent {
    const agent = this.ensure(record, kind)
    this.#relayClients += Number(kind === 'relay') - Number(agent.kind === 'relay')
    agent.kind = kind
    agent.record = record
    agent.hasMoved = false
    agent.provenAt = provenAt
    return agent
  }

  /** Whether an agent is registered with an entrance of this node, attached or away, and has not gone elsewhere. */
  isHere(address: string): boolean {
    const agent = this.#agents.get(address)
    return agent !== undefined && agent.kind !== 'relay' && !agent.hasMoved
  }

  /** Whether a session of the agent is there. */
  isAttached(address: string): boolean {
    return (this.#agents.get(address)?.sources.size ?? 0) > 0
  }

  /** An agent that has gone to another peer was here with a fresh proof then, ms since 1970. */
  rememberProven(address: string, provenAt: number): void {
    if (provenAt + PROVEN_FOR > Date.now()) this.#provenBefore.set(address, provenAt)
  }

  /** Whether the agent is here with a fresh proof, or was not long ago: its record alone is not enough then. */
  isProven(address: string): boolean {
    const agent = this.#agents.get(address)
    const provenAt = agent?.provenAt ?? this.#provenBefore.get(address) ?? 0
    if (provenAt + PROVEN_FOR > Date.now()) return true
    return agent !== undefined && [...agent.sources].some(({ session }) => session.answeredChallenge)
  }

  /** A session of the agent begins: those that it takes the place of are ended. */
  attach(agent: LocalAgent, source: AgentSource): void {
    for (const other of [...agent.sources]) {
      if (supersedes(source.session, other.session)) other.session.detach('superseded')
    }
    agent.sources.add(source)
    agent.hasMoved = false
    choose(agent)
  }

  /** A session of the agent has ended. */
  detach(agent: LocalAgent, source: AgentSource): void {
    agent.sources.delete(source)
    agent.awaySince = Date.now()
    choose(agent)
  }
}

/** A delegate and a mailbox take each other's place; the pipe of the node's own agent stays. */
function supersedes(session: AgentSession, other: AgentSession): boolean {
  return session !== other && session.kind !== 'direct' && other.kind !== 'direct' && session.kind !== other.kind
}

/** Lets one session of an agent have its envelopes. */
function choose({ sources }: LocalAgent): void {
  const kind = PREFERENCE.find((preferred) => [...sources].some(({ session }) => session.kind === preferred))
  const chosen = [...sources].filter(({ session }) => session.kind === kind).at(-1)
  for (const source of sources) source.isActive = source === chosen
}
