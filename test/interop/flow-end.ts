import { deepEqual, equal } from 'node:assert/strict'
import type { Party } from './conversation.ts'
import { CommandError, WaitError } from './json-lines.ts'
import type { Receipt } from './peers.ts'
import { persistently } from './persistently.ts'

/** Milliseconds in which something new has to come, restarts included. */
const PATIENCE = 120_000
/** Milliseconds after which it is looked whether receipts are still to come. */
const LOOK_AGAIN = 2000

interface Received {
  readonly msgId: number
  readonly number: number
}

/**
 * One side of a connection on which numbered messages flow both ways while things are killed: it sends, receives and
 * acknowledges, whatever happens to its agent, and remembers what the agent has promised.
 */
export class FlowEnd {
  readonly party: Party
  readonly #count: number
  /** Numbers of the messages that the agent has accepted, by id. */
  readonly #accepted = new Map<number, number>()
  /** Numbers of messages that it may have accepted: it was killed before it answered. */
  readonly #unsure = new Set<number>()
  readonly #received: Received[] = []
  readonly #acknowledged = new Set<number>()
  readonly #receipts = new Set<number>()
  /** Numbers of messages for which no receipt was sent. */
  readonly #withoutReceipt = new Set<number>()
  readonly #onProgress: () => void
  #repeated = 0

  /** @param onProgress called after each new message */
  constructor(party: Party, count: number, onProgress: () => void) {
    this.party = party
    this.#count = count
    this.#onProgress = onProgress
  }

  get received(): number {
    return this.#received.length
  }

  /** Messages that came again, as they may until they are acknowledged. */
  get repeated(): number {
    return this.#repeated
  }

  get receipts(): number {
    return this.#receipts.size
  }

  /** Sends all messages. */
  async send(): Promise<void> {
    const { peer, connId } = this.party
    for (let number = 1; number <= this.#count; number++) {
      try {
        this.#accepted.set(await peer.sendMessage(connId, String(number), true), number)
      } catch (error) {
        if (error instanceof CommandError) throw error
        this.#unsure.add(number)
        await peer.running()
      }
    }
  }

  /** Receives until everything has come that `sender` has promised. */
  async receive(sender: FlowEnd, signal: AbortSignal): Promise<void> {
    await this.#whileRunning(signal, async () => {
      const { peer, connId } = this.party
      const { msgId, text, integrity } = await peer.message(connId, PATIENCE)
      equal(integrity, 'ok')
      this.#note({ msgId, number: Number(text) })
      if (!(await this.#acknowledge(msgId, true))) this.#withoutReceipt.add(Number(text))
      this.#acknowledged.add(msgId)
      return !sender.#isComplete(this)
    })
  }

  /** Takes receipts until all accepted messages have theirs that `receiver` has acknowledged without trouble. */
  async takeReceipts(receiver: FlowEnd, signal: AbortSignal): Promise<void> {
    let last = performance.now()
    await this.#whileRunning(signal, async () => {
      if (this.#hasReceipts(receiver)) return false
      const event = await receiptWithin(this.party, LOOK_AGAIN)
      if (!event && performance.now() - last > PATIENCE) throw new Error(`${this.party.peer.name} misses receipts`)
      if (!event) return true
      last = performance.now()
      for (const { msgId, status } of event.receipts) {
        equal(status, 'ok')
        this.#receipts.add(msgId)
      }
      await this.#acknowledge(event.msgId, false)
      return true
    })
  }

  /** Everything that was promised has come once and in order. */
  check(sender: FlowEnd): void {
    const numbers = this.#received.map(({ number }) => number)
    deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
      'messages in order and once',
    )
    const missing = [...sender.#accepted.values()].filter((number) => !numbers.includes(number))
    deepEqual(missing, [], 'accepted messages that did not come')
  }

  /**
   * Again and again while the router is away. The original then acknowledges by itself what it is told again, and
   * sends no receipt: false.
   */
  async #acknowledge(msgId: number, receipt: boolean): Promise<boolean> {
    let tries = 0
    try {
      await persistently(() => {
        tries++
        return this.party.peer.ackMessage(this.party.connId, msgId, receipt)
      })
      return true
    } catch (error) {
      if (tries > 1 && error instanceof CommandError && error.message.includes('SEMsgNotFound')) return false
      throw error
    }
  }

  #hasReceipts(receiver: FlowEnd): boolean {
    if (!this.#hasSentAll || !this.#isComplete(receiver)) return false
    return [...this.#accepted].every(
      ([msgId, number]) => this.#receipts.has(msgId) || receiver.#withoutReceipt.has(number),
    )
  }

  get #hasSentAll(): boolean {
    return this.#accepted.size + this.#unsure.size === this.#count
  }

  #isComplete(receiver: FlowEnd): boolean {
    if (!this.#hasSentAll) return false
    const numbers = new Set(receiver.#received.map(({ number }) => number))
    return [...this.#accepted.values()].every((number) => numbers.has(number))
  }

  #note(message: Received): void {
    const known = this.#received.find(({ msgId }) => msgId === message.msgId)
    if (!known) {
      this.#received.push(message)
      this.#onProgress()
      return
    }
    equal(message.number, known.number, 'another message with the same id')
    equal(this.#acknowledged.has(message.msgId), false, 'an acknowledged message came again')
    this.#repeated++
  }

  async #whileRunning(signal: AbortSignal, step: () => Promise<boolean>): Promise<void> {
    for (let goOn = true; goOn && !signal.aborted; ) {
      const { peer } = this.party
      await peer.running()
      const { program } = peer
      try {
        goOn = await step()
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof CommandError || !program.isGone) throw error
      }
    }
  }
}

async function receiptWithin({ peer, connId }: Party, timeout: number): Promise<Receipt | undefined> {
  try {
    return await peer.receipt(connId, timeout)
  } catch (error) {
    if (error instanceof WaitError) return undefined
    throw error
  }
}
