import { randomBytes } from 'node:crypto'
import { AcnClient, type AgentIdentity, type Entry, identityFromKey } from '@parley/acn/client'
import { STATUS } from '@parley/acn/protocol'
import { ledgerOf } from '@parley/acn/record'

/** An envelope that has arrived. */
export interface Arrived {
  readonly from: string
  readonly text: string
  /** As `performance.now()` says. */
  readonly at: number
}

/** How long an envelope may take to arrive, ms: the longest wait is that for a lost peer to be noticed. */
const PATIENCE = 30_000

/** One agent of the demonstration. */
export class DemoAgent {
  /** For people. */
  readonly name: string
  readonly kind: string
  readonly ledgerId: string
  readonly identity: AgentIdentity
  readonly arrived: Arrived[] = []
  /** Names of the entries at which it was attached, in order. */
  readonly entries: string[] = []
  #client: AcnClient | undefined
  #reading: Promise<void> = Promise.resolve()
  readonly #waiting = new Set<() => void>()

  constructor(name: string, kind: string, ledgerId: string) {
    const ledger = ledgerOf(ledgerId)
    if (!ledger) throw new TypeError('unknown ledger')
    this.name = name
    this.kind = kind
    this.ledgerId = ledgerId
    this.identity = identityFromKey(ledger, randomBytes(32))
  }

  get address(): string {
    return this.identity.address
  }

  /** Attaches at the first of these that takes it; at the next when that fails. */
  async connect(entries: readonly [Entry, ...Entry[]]): Promise<void> {
    this.#client = await AcnClient.connect({ entries, backoff: { firstMs: 50, longestMs: 500 } })
    this.entries.push(this.#client.entry ?? '')
    this.#reading = this.#read(this.#client)
  }

  /**
   * Sends a text.
   * @throws when the network does not take it
   */
  async send(to: DemoAgent, text: string): Promise<void> {
    const head = { to: to.address, sender: this.address, protocolId: 'fetchai/default:1.0.0', uri: '' }
    const outcome = await this.#client?.send({ ...head, message: Buffer.from(text) })
    if (outcome?.code !== STATUS.SUCCESS) throw new Error(`${this.name} → ${to.name}: status ${outcome?.code}`)
  }

  /** The first text like this from an agent. @throws when it does not come in time */
  async receives(from: DemoAgent, text: string): Promise<Arrived> {
    const find = () => this.arrived.find((one) => one.from === from.address && one.text === text)
    return this.#until(find, `${from.name} → ${this.name}: “${text}” did not arrive`)
  }

  /** Resolves when it is attached elsewhere than before. @throws when it is not in time */
  async moves(): Promise<string> {
    const before = this.entries.length
    return this.#until(() => this.entries[before], `${this.name} did not move`)
  }

  async close(): Promise<void> {
    await this.#client?.close()
    await this.#reading
  }

  async #read(client: AcnClient): Promise<void> {
    for await (const event of client.events) {
      const at = performance.now()
      if (event.type === 'envelope') {
        const { sender: from, message } = event.envelope
        this.arrived.push({ from, text: Buffer.from(message).toString(), at })
      }
      if (event.type === 'connected' && event.entry !== this.entries.at(-1)) this.entries.push(event.entry)
      for (const look of this.#waiting) look()
    }
  }

  async #until<T>(find: () => T | undefined, failure: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const look = () => {
      const found = find()
      if (found !== undefined) resolve(found)
    }
    this.#waiting.add(look)
    const timer = setTimeout(() => reject(new Error(failure)), PATIENCE)
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(look)
    }
  }
}
