import type { Agent, AgentEvent, AgentEventOf } from '@parley/agent'
import { printLine, type Terminal } from '../cli/terminal.ts'
import { type ChatScreen, openScreen } from './chat-screen.ts'
import type { ConversationFolder, ConversationRecord } from './conversation-folder.ts'
import { displayText } from './display-text.ts'
import { History } from './history.ts'
import { linkPicture } from './link-picture.ts'

/** Messages of the history that are shown at the start. */
const SHOWN = 20

/** How a conversation begins or goes on. */
export interface ConversationOptions {
  readonly agent: Agent
  readonly folder: ConversationFolder
  readonly terminal: Terminal
  readonly servers: ConversationRecord['servers']
  /** The link to join with; absent to invite. */
  readonly link?: string | undefined
  /** What the peer is told of the user; empty for nothing. */
  readonly name: string
}

/** One conversation on one screen. Whatever it shows is stored before: it may end at any moment and goes on later. */
export class Conversation {
  readonly #options: ConversationOptions
  readonly #history: History
  readonly #info: Uint8Array
  /** Resolves when the user wants to leave, or everything was sent after the end of the input. */
  readonly #left = Promise.withResolvers<void>()
  #record: ConversationRecord
  #screen: ChatScreen | undefined
  #inputEnded = false
  /** Own messages go to the agent one after another. */
  #sending: Promise<void> = Promise.resolve()

  constructor(options: ConversationOptions) {
    this.#options = options
    this.#record = options.folder.record ?? { servers: options.servers }
    this.#history = new History(options.folder.historyPath)
    this.#info = new TextEncoder().encode(options.name)
  }

  /** Runs until the user leaves. */
  async run(): Promise<void> {
    const { agent, terminal } = this.#options
    const leave = () => this.#left.resolve()
    terminal.stop.addEventListener('abort', leave, { once: true })
    if (terminal.stop.aborted) leave()
    const events = this.#handleEvents()
    try {
      await this.#begin()
      this.#openScreen()
      await this.#left.promise
      await this.#sending
    } finally {
      terminal.stop.removeEventListener('abort', leave)
      this.#screen?.close()
      terminal.input.destroy()
      await agent.close()
      await events
      this.#history.close()
    }
  }

  async #begin(): Promise<void> {
    const { agent, terminal, link } = this.#options
    const { stop: signal } = terminal
    if (this.#record.connId === undefined) await this.#findUnrecorded()
    if (this.#record.connId !== undefined) {
      await agent.subscribeConnections(undefined, { signal })
    } else if (link !== undefined) {
      const { connId } = await agent.joinConnection({ link, info: this.#info, signal })
      this.#save({ connId, link })
    } else {
      const created = await agent.createConnection({ mode: 'invitation', signal })
      this.#save({ connId: created.connId, link: created.shortLink ?? created.link })
    }
    if (link === undefined && !this.#record.connected && this.#record.link !== undefined) {
      await printLine(terminal.output, linkPicture(this.#record.link))
    }
  }

  /**
   * A crash may have come between making the connection and keeping its id; the agent of a conversation has no other.
   * One that is still being joined is joined again instead: that says when it fails.
   */
  async #findUnrecorded(): Promise<void> {
    const { agent } = this.#options
    const [found] = await agent.listConnections()
    if (!found || found.state === 'joining') return
    const { connId, connectedAt } = found
    const link = this.#options.link ?? (await agent.getShortLink(connId))
    if (link !== undefined) this.#save({ connId, link, connected: connectedAt !== undefined })
  }

  #openScreen(): void {
    this.#screen = openScreen(this.#options.terminal, {
      onLine: (text) => this.#enter(text),
      onEnd: () => {
        this.#inputEnded = true
        this.#leaveWhenSent()
      },
      onInterrupt: () => this.#left.resolve(),
    })
    if (this.#record.peer) this.#screen.setPeer(this.#record.peer)
    for (const message of this.#history.last(SHOWN)) this.#screen.show(message)
    this.#screen.notice(this.#record.connected ? 'Connected.' : 'Waiting for the other side …')
    this.#sending = this.#refreshStates()
    this.#sendUnsent()
  }

  /** States that changed while nobody looked. */
  async #refreshStates(): Promise<void> {
    const { agent } = this.#options
    const { connId } = this.#record
    if (connId === undefined) return
    for (const { msgId, state } of this.#history.underWay()) {
      if (msgId === null) continue
      const now = await agent.messageStatus(connId, msgId)
      if (now.state !== state) this.#setState(msgId, now.state)
    }
  }

  #enter(text: string): void {
    if (text.trim() === '') return
    this.#screen?.show(this.#history.addMine(text, Date.now()))
    this.#sendUnsent()
  }

  /** Hands what was entered to the agent, in order; before the connection is there it waits in the history. */
  #sendUnsent(): void {
    this.#sending = this.#sending.then(async () => {
      const { agent } = this.#options
      const { connId, connected } = this.#record
      if (connId === undefined || !connected) return
      for (const { id, text } of this.#history.unsent()) {
        try {
          const { msgId } = await agent.sendMessage(connId, new TextEncoder().encode(text))
          this.#history.accepted(id, msgId)
        } catch (error) {
          this.#screen?.notice(`Not sent: ${error instanceof Error ? error.message : String(error)}`)
          return
        }
      }
      // A state may have come before the message's id was kept.
      await this.#refreshStates()
      this.#leaveWhenSent()
    })
  }

  #leaveWhenSent(): void {
    if (!this.#inputEnded || this.#history.unsent().length > 0) return
    const waits = this.#history.underWay().some(({ state }) => state !== 'sent')
    if (!waits) this.#left.resolve()
  }

  async #handleEvents(): Promise<void> {
    for await (const event of this.#options.agent.events()) await this.#handle(event)
  }

  async #handle(event: AgentEvent): Promise<void> {
    const { agent } = this.#options
    switch (event.event) {
      case 'CONF':
        this.#setPeer(event.info)
        return agent.allowConnection(event.connId, event.confId, this.#info)
      case 'INFO':
        return this.#setPeer(event.info)
      case 'CON':
        return this.#connected(event)
      case 'MSG':
        return this.#receive(event)
      case 'RCVD':
        // What it says comes as STATUS too.
        return agent.ackMessage(event.connId, event.msgId)
      case 'STATUS':
        return this.#setState(event.msgId, event.state)
      case 'DOWN':
        return this.#screen?.notice('No connection to the router; trying again …')
      case 'UP':
        return this.#screen?.notice('Connected to the router.')
      case 'ERR':
        return this.#screen?.notice(`Error: ${event.error.message}`)
      case 'DELD':
        return this.#screen?.notice('The router has deleted this conversation’s queue.')
    }
  }

  #connected({ connId, pq }: AgentEventOf<'CON'>): void {
    this.#save({ connId, connected: true })
    this.#screen?.notice(`Connected, end-to-end encrypted${pq ? ', post-quantum' : ''}.`)
    this.#sendUnsent()
  }

  async #receive({ connId, msgId, body, integrity, brokerTs }: AgentEventOf<'MSG'>): Promise<void> {
    const message = this.#history.addTheirs(msgId, new TextDecoder().decode(body), brokerTs.getTime())
    if (message && integrity.type !== 'ok')
      this.#screen?.notice('Messages before this one are missing or were changed.')
    if (message) this.#screen?.show(message)
    await this.#options.agent.ackMessage(connId, msgId, { receipt: true })
  }

  #setState(msgId: number, state: Parameters<History['setState']>[1]): void {
    const message = this.#history.setState(msgId, state)
    if (message) this.#screen?.update(message)
    this.#leaveWhenSent()
  }

  #setPeer(info: Uint8Array): void {
    const peer = displayText(new TextDecoder().decode(info)).trim().slice(0, 40)
    if (peer === '') return
    this.#save({ peer })
    this.#screen?.setPeer(peer)
  }

  #save(change: Partial<ConversationRecord>): void {
    this.#record = { ...this.#record, ...change }
    this.#options.folder.save(this.#record)
  }
}
