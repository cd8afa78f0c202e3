import type { EnqueueOutcome, EnqueueRefusal, PairSummary, StoreLimits } from '../store/index.ts'

/** An envelope that wants a place. */
export interface Applicant {
  readonly to: string
  readonly sender: string
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970 until which it waits for one. */
  readonly deadline: number
}

interface Waiter extends Applicant {
  readonly timer: NodeJS.Timeout
  settle(refusal: EnqueueRefusal | undefined): void
}

interface AgentAccount {
  count: number
  bytes: number
  readonly pairs: Map<string, number>
  readonly waiting: Set<Waiter>
  /** Those who want to know when nothing of a sender waits any more. */
  readonly watching: Map<string, PromiseWithResolvers<void>>
}

type Limits = Pick<StoreLimits, 'maxPerPair' | 'maxPerAgent' | 'maxBytesPerAgent' | 'maxEnvelopes' | 'maxBytes'>

/**
 * Keeps the accounts of the queues, so that what comes when one is full waits for a place, in order for each pair: the
 * sender is slowed and loses nothing. The store has the same bounds and the last word.
 */
export class QueueAdmission {
  readonly #limits: Limits
  readonly #agents = new Map<string, AgentAccount>()
  #count = 0
  #bytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Envelopes that wait in all. */
  get count(): number {
    return this.#count
  }

  /** Takes over what is in the store at the start. */
  restore({ to, sender, count, bytes }: PairSummary): void {
    this.#add(this.#account(to), sender, count, bytes)
  }

  /** Addresses of the senders whose envelopes wait for an agent. */
  sendersTo(to: string): string[] {
    return [...(this.#agents.get(to)?.pairs.keys() ?? [])]
  }

  /** Envelopes that wait from one sender for an agent. */
  countOf(to: string, sender: string): number {
    return this.#agents.get(to)?.pairs.get(sender) ?? 0
  }

  /** Resolves when nothing waits from one sender for an agent. */
  emptied(to: string, sender: string): Promise<void> {
    const account = this.#agents.get(to)
    if (!account?.pairs.has(sender)) return Promise.resolve()
    const known = account.watching.get(sender) ?? Promise.withResolvers<void>()
    account.watching.set(sender, known)
    return known.promise
  }

  /**
   * Takes a place and stores by `store`; waits for a place when there is none. What it does not store it gives back.
   * Without waiting, `store` is called before this returns, so that the order of the calls is that of the queue.
   */
  admit(applicant: Applicant, store: () => Promise<EnqueueOutcome>): Promise<EnqueueOutcome> {
    const account = this.#account(applicant.to)
    const isBehind = [...account.waiting].some(({ sender }) => sender === applicant.sender)
    const refusal = isBehind ? 'pair-full' : this.#refusal(account, applicant)
    if (!refusal) return this.#store(account, applicant, store)
    return this.#wait(account, applicant, refusal, store)
  }

  /** Gives back the place of an envelope that has left the queue. */
  leave({ to, sender, size }: Pick<Applicant, 'to' | 'sender' | 'size'>): void {
    const account = this.#agents.get(to)
    if (!account) return
    this.#add(account, sender, -1, -size)
    this.#admitWaiting(account)
    if (account.count <= 0 && account.waiting.size === 0) this.#agents.delete(to)
  }

  /** Refuses all who wait. */
  stop(): void {
    for (const { waiting } of this.#agents.values()) for (const waiter of [...waiting]) waiter.settle('store-full')
  }

  async #store(
    account: AgentAccount,
    { to, sender, size }: Applicant,
    store: () => Promise<EnqueueOutcome>,
  ): Promise<EnqueueOutcome> {
    this.#add(account, sender, 1, size)
    let accepted = false
    try {
      const outcome = await store()
      accepted = outcome.accepted
      return outcome
    } finally {
      if (!accepted) this.leave({ to, sender, size })
    }
  }

  async #wait(
    account: AgentAccount,
    applicant: Applicant,
    reason: EnqueueRefusal,
    store: () => Promise<EnqueueOutcome>,
  ): Promise<EnqueueOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<EnqueueOutcome>()
    const waiter: Waiter = {
      ...applicant,
      timer: setTimeout(() => refusePair(account, waiter, reason), Math.max(0, applicant.deadline - Date.now())),
      settle: (refusal) => {
        clearTimeout(waiter.timer)
        account.waiting.delete(waiter)
        if (refusal) resolve({ accepted: false, reason: refusal })
        else this.#store(account, applicant, store).then(resolve, reject)
      },
    }
    account.waiting.add(waiter)
    return promise
  }

  #admitWaiting(account: AgentAccount): void {
    const behind = new Set<string>()
    for (const waiter of [...account.waiting]) {
      if (behind.has(waiter.sender)) continue
      if (this.#refusal(account, waiter)) behind.add(waiter.sender)
      else waiter.settle(undefined)
    }
  }

  #refusal(account: AgentAccount, { sender, size }: Applicant): EnqueueRefusal | undefined {
    const { maxPerPair, maxPerAgent, maxBytesPerAgent, maxEnvelopes, maxBytes } = this.#limits
    if ((account.pairs.get(sender) ?? 0) >= maxPerPair) return 'pair-full'
    if (account.count >= maxPerAgent || account.bytes + size > maxBytesPerAgent) return 'agent-full'
    if (this.#count >= maxEnvelopes || this.#bytes + size > maxBytes) return 'store-full'
    return undefined
  }

  #account(to: string): AgentAccount {
    let account = this.#agents.get(to)
    if (!account) {
      account = { count: 0, bytes: 0, pairs: new Map(), waiting: new Set(), watching: new Map() }
      this.#agents.set(to, account)
    }
    return account
  }

  #add(account: AgentAccount, sender: string, count: number, bytes: number): void {
    const ofPair = (account.pairs.get(sender) ?? 0) + count
    if (ofPair > 0) account.pairs.set(sender, ofPair)
    else {
      account.pairs.delete(sender)
      account.watching.get(sender)?.resolve()
      account.watching.delete(sender)
    }
    account.count += count
    account.bytes += bytes
    this.#count += count
    this.#bytes += bytes
  }
}

/** Refuses one that waits, and those of its pair behind it: they must not go first. */
function refusePair({ waiting }: AgentAccount, first: Waiter, reason: EnqueueRefusal): void {
  let isBehind = false
  for (const waiter of [...waiting]) {
    isBehind ||= waiter === first
    if (isBehind && waiter.sender === first.sender) waiter.settle(reason)
  }
}
