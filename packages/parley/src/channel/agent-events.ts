import type { AgentError, AgentEventOf } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import type { ChannelContext } from './context.ts'
import { isGone, isNotFound } from './failures.ts'
import type { Flows } from './flows.ts'
import { TRY_AGAIN } from './limits.ts'
import type { Link } from './pair.ts'
import { type ChannelMessage, decodeChannelMessage } from './protocol/index.ts'

/** Reads the agent's events of connections that are channels, and hands each to whom it concerns. */
export class AgentEvents {
  readonly #context: ChannelContext
  readonly #flows: Flows

  constructor(context: ChannelContext, flows: Flows) {
    this.#context = context
    this.#flows = flows
  }

  /** Begins; gives how to stop. */
  listen(): (() => void)[] {
    const { agent, links } = this.#context
    const linkOf = (connId: string) => {
      const link = links.get(connId)
      return link && !link.isRemoved ? link : undefined
    }
    return [
      agent.on('REQ', (event) => this.#flows.admission.requested(event)),
      agent.on('CONF', (event) => {
        const link = linkOf(event.connId)
        if (link) this.#context.run('confirmation', this.#flows.openings.confirmed(link, event))
      }),
      // Not told again once this has returned.
      agent.on('CON', async ({ connId, pq }) => {
        const link = linkOf(connId)
        if (link && !this.#context.closing.aborted) await this.#flows.openings.connected(link, pq)
      }),
      agent.on('MSG', (event) => {
        const link = linkOf(event.connId)
        if (link) this.#context.run('message', this.#received(link, event))
      }),
      agent.on('SENT', ({ connId, msgId }) => {
        const link = linkOf(connId)
        if (!link) return
        link.lastSentId = msgId
        if (link.pair.hasUnplaced) this.#flows.senderOf(link.pair).kick()
      }),
      agent.on('MERR', ({ connId, error }) => this.#failed(linkOf(connId), error)),
      agent.on('MERRS', ({ connId, error }) => this.#failed(linkOf(connId), error)),
      agent.on('DELD', ({ connId }) => {
        const link = linkOf(connId)
        if (link) this.#flows.closings.lost(link)
      }),
      agent.on('ERR', ({ connId, error }) => {
        const link = connId === undefined ? undefined : linkOf(connId)
        if (link) this.#context.run('failure', this.#mayBeLost(link, error.message))
      }),
    ]
  }

  /** Something is wrong with a connection: the agent may have given it up. */
  async #mayBeLost(link: Link, error: string): Promise<void> {
    const { agent, log } = this.#context
    log({ level: 'warn', message: 'connection', ...link.pair.names, error })
    const exists = (await agent.listConnections()).some(({ connId }) => connId === link.record.connId)
    if (!exists && !link.isRemoved) this.#flows.closings.lost(link)
  }

  /** Messages will not be sent. */
  #failed(link: Link | undefined, error: AgentError): void {
    if (!link) return
    this.#context.log({ level: 'warn', message: 'messages not sent', ...link.pair.names, error: error.message })
    if (isGone(error)) {
      this.#flows.closings.lost(link)
      return
    }
    const { record } = link
    record.sndHanded = record.sndStored
    link.lastHandedId = link.lastSentId
    link.ackForced = true
    if (record.state === 'connected') record.helloSent = false
    this.#context.after(TRY_AGAIN, () => {
      this.#context.run('proof', this.#flows.openings.greet(link))
      this.#flows.senderOf(link.pair).kick()
    })
  }

  async #received(link: Link, { msgId, body }: AgentEventOf<'MSG'>): Promise<void> {
    const { connId } = link.record
    if (link.processing === msgId) return
    link.processing = msgId
    // Who talks by turns is about to answer: one commit for that and for the acknowledgement.
    const hasTime = link.hasAnswered
    link.hasAnswered = false
    try {
      if (msgId > link.lastMsgId && !(await this.#process(link, body))) return
      link.lastMsgId = Math.max(link.lastMsgId, msgId)
      await this.#context.agent.ackMessage(connId, msgId, { hasTime })
      this.#context.step('message acknowledged')
    } catch (error) {
      // The connection is being deleted.
      if (!isNotFound(error)) throw error
    } finally {
      if (link.processing === msgId) link.processing = 0
    }
  }

  /** False when the link is gone. */
  async #process(link: Link, body: Uint8Array): Promise<boolean> {
    const { db, step } = this.#context
    step('message received')
    const message = readMessage(body)
    if (!link.isProven) {
      if (!(await this.#flows.openings.proven(link, message?.hello))) return false
    }
    if (!message) {
      await this.#flows.closings.violated(link)
      return false
    }
    const stored = await db.transaction((tx) => this.#flows.receiverOf(link.pair).store(tx, link, message))
    step('message stored')
    if (stored.violation) {
      await this.#flows.closings.violated(link)
      return false
    }
    stored.after()
    if (!message.close) return true
    await this.#flows.closings.closedByPeer(link, message.close)
    return false
  }
}

function readMessage(body: Uint8Array): ChannelMessage | undefined {
  try {
    return decodeChannelMessage(body)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
