import { AcnStatusError, type AgentRecord, type Envelope, STATUS } from '../protocol/index.ts'
import { type EnqueueOutcome, type EnvelopeId, type NewEnvelope, newEnvelopeId, type SeenAs } from '../store/index.ts'
import type { EnvelopeCarrier } from './carrier.ts'
import type { LocalAgents } from './local-agents.ts'
import type { RoutingNetwork } from './network.ts'
import type { RoutingObserver } from './observer.ts'
import type { Registrations } from './registrations.ts'
import type { RemoteDelivery } from './remote-delivery.ts'
import type { RoutingLimits } from './routing-limits.ts'

/** An envelope from another peer, proven as far as its way asks for it. */
export interface FromPeer {
  readonly envelope: Envelope
  /** As it came. */
  readonly bytes: Uint8Array
  /** The sending agent's. */
  readonly record: AgentRecord
  /** Its name on its whole way; absent when the peer is not Parley. The same name is taken once. */
  readonly id?: EnvelopeId
  /** Called when its place in the queue is sure, which is before it is stored or delivered. */
  readonly onQueued?: () => void
}

/** What those hear whose envelope finds no place. */
export const REFUSAL_TEXT = 'nothing more can be stored for the agent'

/** Scope of the ids of envelopes that were handed over, each named anew for that. */
const HANDED_OVER = 'handed over'

/** What envelopes of other peers are taken with. */
export interface FromPeersOptions {
  readonly agents: LocalAgents
  readonly observer: RoutingObserver
  readonly registrations: Registrations
  readonly limits: RoutingLimits
  /** The peer's own public key, lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  /** Whether envelopes are refused whose sender is not the agent that the record proves. */
  readonly checksSenders: boolean
  readonly signal: AbortSignal
  readonly remote: () => RemoteDelivery
  readonly carrier: () => EnvelopeCarrier | undefined
  /** Undefined until the router has started. */
  readonly network: () => RoutingNetwork | undefined
  enqueue(envelope: NewEnvelope, deadline: number, seen: SeenAs | undefined): Promise<EnqueueOutcome>
}

/** Takes envelopes from other peers for agents of this one. */
export class FromPeers {
  readonly #options: FromPeersOptions

  constructor(options: FromPeersOptions) {
    this.#options = options
  }

  /**
   * Takes an envelope from another peer; its record is proven for that peer. Of an agent that is attached it has its
   * place when this returns its promise.
   * @throws AcnStatusError
   */
  async receive(received: FromPeer, from: string): Promise<void> {
    const { agents, observer, registrations, checksSenders, carrier, network } = this.#options
    const { envelope, record, id } = received
    if (network()?.isInNetwork === false) {
      throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'the contact of this relay client is away')
    }
    if (envelope.sender !== record.address) {
      observer.log('warning', `envelope from peer ${from} names another sender than its record`)
      if (checksSenders) {
        throw new AcnStatusError(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'sender is not the agent of the record')
      }
    }
    // Whoever tries addresses out learns nothing: those that may write to it have another way.
    if (!registrations.isListed(envelope.to)) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    if (agents.isHere(envelope.to) && carrier()?.takes(envelope, 'peer')) return
    if (!agents.isAttached(envelope.to) && !(await this.#takesFor(envelope.to, from))) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    // Apart from the ids that its agents gave: an envelope may come back to the peer where it began.
    await this.#take(received, from, id === undefined ? undefined : { scope: `peers ${record.address}`, id })
  }

  /**
   * Takes an envelope that another peer had stored for an agent which has come here, or has gone to a peer that does not
   * take it from that one; its records are proven.
   * @param transfer names this handing over
   * @throws AcnStatusError
   */
  async receiveHandedOver(received: FromPeer, transfer: EnvelopeId, from: string): Promise<void> {
    const { agents, peerPublicKey, remote } = this.#options
    const { envelope, record } = received
    if (!agents.isAttached(envelope.to)) {
      // Given back, since only the sender's own peer can speak for it to a peer that is not Parley.
      const isOwn = record.peerPublicKey === peerPublicKey && agents.get(record.address) !== undefined
      if (!isOwn) throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
      remote().forgetRoute(envelope.to)
    }
    // It may be this one's own, given to that peer, and the answer to that has not been read yet: it is in the store then.
    if (received.id !== undefined) await remote().ended(envelope.to, record.address, received.id)
    await this.#take(received, from, { scope: HANDED_OVER, id: transfer })
  }

  async #take(
    { envelope, bytes, record, id = newEnvelopeId(), onQueued }: FromPeer,
    from: string,
    seen: SeenAs | undefined,
  ): Promise<void> {
    const { limits } = this.#options
    const now = Date.now()
    const wanted: NewEnvelope = {
      id,
      to: envelope.to,
      sender: record.address,
      // What comes from a stream is a view of a larger block.
      bytes: Uint8Array.from(bytes),
      record,
      source: from,
      receivedAt: now,
    }
    const queued = this.#options.enqueue(wanted, now + limits.peerPatience, seen)
    onQueued?.()
    const outcome = await queued
    if (outcome.accepted || outcome.reason === 'duplicate') return
    throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, REFUSAL_TEXT)
  }

  /** Whether envelopes of other peers are taken for an agent that is not attached: not when it has gone elsewhere. */
  async #takesFor(to: string, from: string): Promise<boolean> {
    const { agents, limits, network, signal } = this.#options
    const agent = agents.get(to)
    if (!agent || agent.kind === 'relay') return false
    const options = { asker: from, timeout: limits.awayLookup, signal }
    const elsewhere = await network()
      ?.resolve(to, options)
      .catch(() => undefined)
    return agent.sources.size > 0 || elsewhere === undefined
  }
}
