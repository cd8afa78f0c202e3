import type { AgentEventOf } from '@parley/agent'
import { sha256 } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import { decodeSignedCard } from '../card/index.ts'
import { AskedRequests, type ProvenRequest } from './asked-requests.ts'
import type { Closings } from './closings.ts'
import { type ChannelContext, pairKey } from './context.ts'
import { reasonOf } from './failures.ts'
import { ANSWERED_AT_ONCE, PENDING_GRACE, WAITING_REQUESTS } from './limits.ts'
import type { Openings } from './openings.ts'
import type { Pair } from './pair.ts'
import { isNoOlder, readCard } from './peer-card.ts'
import { ACCEPTOR, type ChannelRequest, decodeChannelRequest, OPENER, verifyChannelRequest } from './protocol/index.ts'
import { isRemembered, isReplayed, rememberRequest } from './store/requests.ts'
import { TokenBucket, TokenBuckets } from './token-bucket.ts'
import type { ChannelRequestSummary, LocalAgent, RequestPolicy, RequestRefusal } from './types.ts'

/** How far the clock of a requester may be ahead, ms. */
const SKEW = 5 * 60_000
/** Proven addresses whose rate is remembered. */
const MAX_ADDRESSES = 10_000

type Request = AgentEventOf<'REQ'>

/** A request that waits for the outcome of an own opening. */
interface HeldRequest {
  readonly proven: ProvenRequest
  readonly stop: () => void
}

/** What other parts do for admission. */
export interface AdmissionHooks {
  /** The pair of two addresses, made when there is none. */
  pairOf(local: string, peer: string): Promise<Pair>
}

/**
 * Decides on requests to contact addresses of agents of ours. Everything that anybody can send costs a bounded amount:
 * requests are verified at a limited rate, one after the other, with a bounded number waiting; limits are counted for
 * addresses that have been proven.
 */
export class Admission {
  readonly #context: ChannelContext
  readonly #policy: RequestPolicy
  readonly #flows: { readonly openings: Openings; readonly closings: Closings }
  readonly #hooks: AdmissionHooks
  readonly #verifications: TokenBucket
  readonly #inAll: TokenBucket
  readonly #perAddress: TokenBuckets
  readonly #queue = new BoundedQueue<{ readonly request: Request; readonly local: LocalAgent }>(WAITING_REQUESTS)
  /** Requests for contact addresses whose agent is not here yet. */
  readonly #early: Request[] = []
  readonly #asked = new AskedRequests()
  readonly #held = new Map<string, HeldRequest>()
  readonly #answers = new BoundedQueue<() => Promise<void>>(WAITING_REQUESTS)

  constructor(
    context: ChannelContext,
    policy: RequestPolicy,
    flows: { readonly openings: Openings; readonly closings: Closings },
    hooks: AdmissionHooks,
  ) {
    this.#context = context
    this.#policy = policy
    this.#flows = flows
    this.#hooks = hooks
    const { verifications, requestsInAll, requestsPerAddress } = context.limits
    const clock = () => performance.now()
    this.#verifications = new TokenBucket(verifications, clock)
    this.#inAll = new TokenBucket(requestsInAll, clock)
    this.#perAddress = new TokenBuckets(requestsPerAddress, clock, MAX_ADDRESSES)
    context.run('requests', this.#work())
    for (let i = 0; i < ANSWERED_AT_ONCE; i++) context.run('answers', this.#answer())
  }

  /** No more requests are looked at. */
  close(): void {
    this.#queue.close()
    this.#answers.close()
  }

  /** Somebody asks. */
  requested(request: Request): void {
    const local = this.#localOf(request)
    if (local) this.#enqueue(request, local)
    // The agent repeats them after a restart.
    else if (this.#early.length < WAITING_REQUESTS) this.#early.push(request)
  }

  /** An agent of ours is here. */
  localAdded(local: LocalAgent): void {
    for (const request of this.#early.splice(0)) {
      if (request.connId === local.contactConnId) this.#enqueue(request, local)
      else this.#early.push(request)
    }
  }

  /** What was sent to an agent of ours that is not here any more, or has another contact address, is not decided. */
  localRemoved(address: string): void {
    for (const { request } of this.#asked.takeAll(address)) this.#context.run('request', this.#reject(request))
    for (const [key, { proven }] of this.#held) if (proven.local.address === address) this.#drop(key)
  }

  /** The pair has a channel: what waited until there is one is not needed. */
  established({ local, peer }: Pair): void {
    this.#drop(pairKey(local, peer))
    const asked = this.#asked.take(local, peer)
    if (asked) this.#context.run('request', this.#reject(asked.request))
  }

  /** True when a request of the pair waits for a decision or for an own opening. */
  isWaitingFor({ local, peer }: Pair): boolean {
    return this.#held.has(pairKey(local, peer)) || this.#asked.has(local, peer)
  }

  /** Requests that wait for the application's decision. */
  listAsked(): ChannelRequestSummary[] {
    return this.#asked.list()
  }

  /** The application decides on the request of a pair; false when none waits. */
  async answer(local: string, peer: string, accepts: boolean): Promise<boolean> {
    const proven = this.#asked.take(local, peer)
    if (!proven) return false
    if (accepts) await this.#let(proven, false)
    else await this.#refuse(proven.request, local, 'NOT_ALLOWED', peer)
    return true
  }

  /** Ends waiting for an own opening. */
  #drop(key: string): void {
    const held = this.#held.get(key)
    if (!held) return
    this.#held.delete(key)
    held.stop()
    this.#context.run('request', this.#reject(held.proven.request))
  }

  #localOf({ connId }: Request): LocalAgent | undefined {
    for (const local of this.#context.locals.values()) if (local.contactConnId === connId) return local
    return undefined
  }

  #enqueue(request: Request, local: LocalAgent): void {
    if (this.#queue.tryPut({ request, local })) return
    this.#context.run('request', this.#refuse(request, local.address, 'BUSY'))
  }

  async #work(): Promise<void> {
    const { closing } = this.#context
    for await (const { request, local } of this.#queue) {
      if (closing.aborted) return
      const { wait } = this.#verifications
      if (wait > 0) await this.#pause(wait)
      this.#verifications.tryTake()
      try {
        await this.#decide(request, local)
      } catch (error) {
        this.#context.log({ level: 'error', message: 'request failed', local: local.address, error: reasonOf(error) })
      }
    }
  }

  #pause(ms: number): Promise<void> {
    const { closing, after } = this.#context
    return new Promise((resolve) => {
      const stop = after(ms, resolve)
      closing.addEventListener('abort', () => [stop(), resolve()], { once: true })
    })
  }

  async #decide(request: Request, local: LocalAgent): Promise<void> {
    const proven = await this.#prove(request, local)
    if (typeof proven === 'string') return this.#refuse(request, local.address, proven)
    const { db, now, limits, pairs } = this.#context
    const peer = proven.card.card.address
    const known = pairs.get(pairKey(local.address, peer))
    const decision = this.#policyFor(peer)
    // Whoever has a channel may replace it.
    if (decision === 'refuse' && !known?.active) return this.#refuse(request, local.address, 'NOT_ALLOWED', peer)
    // What the agent repeats after a restart was counted before.
    const isCounted = isRemembered(db, proven.digest, request.invId)
    if (!isCounted && !this.#perAddress.tryTake(peer)) return this.#refuse(request, local.address, 'RATE', peer)
    const isStranger = decision !== 'listed' && !(known && known.links.size > 0)
    if (!isCounted && isStranger && !this.#inAll.tryTake()) {
      return this.#refuse(request, local.address, 'BUSY', peer)
    }
    const isNew = await db.transaction((tx) =>
      rememberRequest(tx, proven.digest, request.invId, now() + limits.requestAge + SKEW),
    )
    if (!isNew) return this.#refuse(request, local.address, 'REPLAYED', peer)
    if (decision === 'ask' && !known?.active) return this.#ask(proven)
    await this.#let(proven, isStranger)
  }

  /** The request with its sender's card, or why it proves nothing. The cheap checks come first. */
  async #prove(request: Request, local: LocalAgent): Promise<ProvenRequest | RequestRefusal> {
    const { now, db, acceptCard, limits } = this.#context
    const read = readRequest(request.info)
    if (!read) return 'MALFORMED'
    const { channelRequest, signed } = read
    const age = now() - channelRequest.issuedAt
    if (age > limits.requestAge || age < -SKEW) return 'OLD'
    const contactLink = decodeSignedCard(local.card()).card.contactLink ?? ''
    const target = { contactLink, keyAgreement: request.keyAgreement }
    if (!verifyChannelRequest(signed.card.channelKey, target, channelRequest)) return 'BAD_SIGNATURE'
    const digest = sha256(channelRequest.signature)
    if (isReplayed(db, digest, request.invId)) return 'REPLAYED'
    const card = readCard(signed, now())
    const peer = signed.card.address
    const known = this.#context.pairs.get(pairKey(local.address, peer))
    if (!card || card.card.contactLink === undefined || peer === local.address) return 'BAD_CARD'
    if (!isNoOlder(known, card) || !(await acceptCard(card))) return 'BAD_CARD'
    return { request, local, card, digest, issuedAt: channelRequest.issuedAt }
  }

  #policyFor(address: string): 'listed' | 'everyone' | 'ask' | 'refuse' {
    const policy = this.#policy
    switch (policy.mode) {
      case 'everyone':
        return 'everyone'
      case 'allow-list':
        return policy.addresses.has(address) ? 'listed' : 'refuse'
      case 'ask':
        return policy.addresses?.has(address) ? 'listed' : 'ask'
    }
  }

  async #ask(proven: ProvenRequest): Promise<void> {
    const { limits, events } = this.#context
    const { request, local, card } = proven
    const peer = card.card.address
    if (!this.#asked.has(local.address, peer) && this.#asked.size >= limits.pendingAsks) {
      return this.#refuse(request, local.address, 'BUSY', peer)
    }
    const before = this.#asked.put(proven)
    if (before) {
      // The same question: whoever has it answers for the newer request.
      if (before.request.invId !== request.invId) await this.#reject(before.request)
      return
    }
    const answer = async (accepts: boolean) => void (await this.answer(local.address, peer, accepts))
    const names = { local: local.address, peer, card: card.kind }
    events.emit('request', { ...names, accept: () => answer(true), refuse: () => answer(false) })
  }

  /** Accepts a request, unless an own opening has precedence for now. */
  async #let(proven: ProvenRequest, isStranger: boolean): Promise<void> {
    const { request, local, card } = proven
    const peer = card.card.address
    const pair = await this.#hooks.pairOf(local.address, peer)
    const own = pair.isLeader && pair.living.find(({ record }) => record.role === OPENER && record.state !== 'open')
    const wait = own ? own.record.createdAt + this.#context.limits.holdRequest - this.#context.now() : 0
    if (wait > 0) return this.#hold(pair, proven, wait)
    if (isStranger && !(await this.#hasRoom())) return this.#refuse(request, local.address, 'BUSY', peer)
    this.#accept(pair, proven)
  }

  /** Both sides open at once: the opener with the smaller address has precedence for a while. */
  #hold(pair: Pair, proven: ProvenRequest, wait: number): void {
    const key = pairKey(pair.local, pair.peer)
    this.#drop(key)
    const stop = this.#context.after(wait, () => {
      this.#held.delete(key)
      this.#accept(pair, proven)
    })
    this.#held.set(key, { proven, stop })
  }

  /** Makes room among accepted requests of strangers that have come to nothing. */
  async #hasRoom(): Promise<boolean> {
    const { links, limits, now } = this.#context
    if (links.size >= limits.channels) return false
    const pending = [...links.values()].filter(
      ({ record, pair, isProven, isRemoved }) => record.role === ACCEPTOR && !isProven && !isRemoved && !pair.active,
    )
    if (pending.length < limits.pendingStrangers) return true
    const [oldest] = pending.sort((a, b) => a.record.createdAt - b.record.createdAt)
    if (!oldest || now() - oldest.record.createdAt < PENDING_GRACE) return false
    await this.#flows.closings.remove(oldest)
    return true
  }

  #accept(pair: Pair, { request, local, card }: ProvenRequest): void {
    const work = async () => {
      try {
        await this.#flows.openings.accept(pair, request.invId, card)
      } catch (error) {
        this.#context.log({ level: 'warn', message: 'request not accepted', ...pair.names, error: reasonOf(error) })
        await this.#refuse(request, local.address, 'FAILED', pair.peer)
      }
    }
    if (!this.#answers.tryPut(work))
      this.#context.run('request', this.#refuse(request, local.address, 'BUSY', pair.peer))
  }

  async #answer(): Promise<void> {
    for await (const work of this.#answers) {
      if (this.#context.closing.aborted) return
      await work()
    }
  }

  async #refuse(request: Request, local: string, reason: RequestRefusal, peer?: string): Promise<void> {
    await this.#reject(request)
    this.#context.events.emit('requestRefused', { local, reason, ...(peer !== undefined && { peer }) })
  }

  /** Its sender is not told. */
  async #reject({ invId }: Request): Promise<void> {
    await this.#context.agent.rejectContact(invId).catch((error) => {
      if (!this.#context.closing.aborted) {
        this.#context.log({ level: 'debug', message: 'request not rejected', error: reasonOf(error) })
      }
    })
  }
}

function readRequest(
  info: Uint8Array,
): { channelRequest: ChannelRequest; signed: ReturnType<typeof decodeSignedCard> } | undefined {
  try {
    const channelRequest = decodeChannelRequest(info)
    const signed = decodeSignedCard(channelRequest.signedCard)
    return signed.attachment ? undefined : { channelRequest, signed }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
