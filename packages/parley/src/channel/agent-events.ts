import type { AgentError, AgentEventOf } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import type { Db } from '../store/index.ts'
import type { ChannelContext } from './context.ts'
import { isGone, isNotFound, isOfThePast } from './failures.ts'
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
    const { agent, db, links } = this.#context
    const linkOf = (connId: string) => {
      const link = links.get(connId)
      return link && !link.isRemoved ? link : undefined
    }
    return [
      db.receiveWith((tx, { connId, body }) => {
        const link = linkOf(connId)
        // The first one of a peer has to prove who that is.
        return link?.isProven ? this.#receive(tx, link, body) : undefined
      }),
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
      agent.on('RSYNC', ({ connId, state, error }) => {
        const link = linkOf(connId)
        if (link && (state === 'required' || (error && isOfThePast(error)))) this.#replace(link)
      }),
      agent.on('DELD', ({ connId }) => {
        const link = linkOf(connId)
        if (link) this.#flows.closings.lost(link)
      }),
      agent.on('ERR', ({ connId, error }) => {
        const link = connId === undefined ? undefined : linkOf(connId)
        if (!link) return
        if (isOfThePast(error)) this.#replace(link)
        else this.#context.run('failure', this.#mayBeLost(link, error.message))
      }),
    ]
  }

  #replace(link: Link): void {
    this.#context.run('replacing a connection', this.#flows.closings.outOfStep(link))
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

  /** A message of a peer that had not proven who it is when the message came. */
  async #received(link: Link, { msgId, body }: AgentEventOf<'MSG'>): Promise<void> {
    const { agent, db, step } = this.#context
    const { connId } = link.record
    if (link.processing === msgId) return
    link.processing = msgId
    try {
      if (msgId > link.lastMsgId) {
        step('proof received')
        if (!link.isProven && !(await this.#flows.openings.proven(link, readMessage(body)?.hello))) return
        const stored = await db.transaction((tx) => this.#receive(tx, link, body))
        stored()
      }
      link.lastMsgId = Math.max(link.lastMsgId, msgId)
      await agent.ackMessage(connId, msgId)
      step('proof acknowledged')
    } catch (error) {
      // The connection is being deleted.
      if (!isNotFound(error)) throw error
    } finally {
      if (link.processing === msgId) link.processing = 0
    }
  }

  /** Stores a message of a proven peer; what it returns is to be called when that is on disk. */
  #receive(db: Db, link: Link, body: Uint8Array): () => void {
    const { run, step } = this.#context
    const { closings, receiverOf } = this.#flows
    step('message received')
    const message = readMessage(body)
    const stored = message && receiverOf(link.pair).store(db, link, message)
    return () => {
      step('message stored')
      if (!stored || stored.violation) return run('violation', closings.violated(link))
      stored.after()
      if (message.close) run('closing', closings.closedByPeer(link, message.close))
    }
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
