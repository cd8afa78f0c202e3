import type { AcnHost } from '../peer/index.ts'
import { LINK_PROTOCOL } from './link-frames.ts'
import { OutgoingLink } from './outgoing-link.ts'

/** How long a peer that does not speak the protocol is not asked again, ms. */
const ASK_AGAIN = 60_000
const MAX_REMEMBERED = 10_000

/** Links to other peers: one for each, opened when something is sent, kept as long as the connection holds. */
export class LinkPool {
  readonly #host: Pick<AcnHost, 'openChannel' | 'speaks'>
  readonly #links = new Map<string, OutgoingLink>()
  readonly #opening = new Map<string, Promise<OutgoingLink | undefined>>()
  /** Peers without the protocol, and until when that is believed. */
  readonly #without = new Map<string, number>()

  constructor(host: Pick<AcnHost, 'openChannel' | 'speaks'>) {
    this.#host = host
  }

  /** The link to a peer when it is open. */
  openTo(peerId: string): OutgoingLink | undefined {
    const link = this.#links.get(peerId)
    if (link?.isOpen) return link
    if (link) this.#links.delete(peerId)
    return undefined
  }

  /** The link to a connected peer; undefined when that is not Parley, or cannot be reached this way. */
  async get(peerId: string, signal: AbortSignal): Promise<OutgoingLink | undefined> {
    const open = this.openTo(peerId)
    if (open) return open
    const until = this.#without.get(peerId)
    if (until !== undefined && until > Date.now()) return undefined
    const opening = this.#opening.get(peerId) ?? this.#open(peerId, signal)
    this.#opening.set(peerId, opening)
    return opening
  }

  close(): void {
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  async #open(peerId: string, signal: AbortSignal): Promise<OutgoingLink | undefined> {
    try {
      const speaks = await this.#host.speaks(peerId, LINK_PROTOCOL)
      if (speaks === false) this.#rememberWithout(peerId)
      if (!speaks) return undefined
      const link = new OutgoingLink(await this.#host.openChannel(peerId, LINK_PROTOCOL, { signal }))
      this.#links.set(peerId, link)
      return link
    } catch {
      // The network's own stream will tell what is wrong.
      return undefined
    } finally {
      this.#opening.delete(peerId)
    }
  }

  #rememberWithout(peerId: string): void {
    this.#without.delete(peerId)
    this.#without.set(peerId, Date.now() + ASK_AGAIN)
    const [oldest] = this.#without.keys()
    if (this.#without.size > MAX_REMEMBERED && oldest !== undefined) this.#without.delete(oldest)
  }
}
