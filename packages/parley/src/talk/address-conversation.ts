import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Terminal } from '../cli/terminal.ts'
import type { ParleyMessage } from '../message-stream.ts'
import type { Messenger } from '../messenger/messenger.ts'
import type { EnvelopeTrace, TracedState } from '../node/envelope-trace.ts'
import { type ChatScreen, openScreen } from './chat-screen.ts'
import { ConversationFolder } from './conversation-folder.ts'
import { envelopeNumber, History, type TalkState } from './history.ts'

/** Messages of the history that are shown at the start. */
const SHOWN = 20
/** How often it is looked where own messages are, ms. */
const LOOK_AGAIN = 500

const STATES: Record<TracedState, TalkState> = {
  waiting: 'waiting',
  sent: 'waiting',
  'at router': 'sent',
  'at peer': 'sent',
  delivered: 'received',
  'not delivered': 'failed',
}

/** Who talks with whom. */
export interface AddressConversationOptions {
  readonly messenger: Messenger
  /** Ledger address. */
  readonly peer: string
  readonly dataFolder: string
  readonly terminal: Terminal
}

/**
 * A conversation with a ledger address on one screen. What is shown is stored before. Messages of others that come
 * meanwhile are kept in their conversations.
 */
export class AddressConversation {
  readonly #options: AddressConversationOptions
  readonly #history: History
  readonly #left = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #screen: ChatScreen | undefined
  #inputEnded = false
  /** Own messages are sent one after another. */
  #sending: Promise<void> = Promise.resolve()

  constructor(options: AddressConversationOptions) {
    this.#options = options
    this.#history = this.#historyWith(options.peer)
  }

  /** Runs until the user leaves; then the messenger is closed. */
  async run(): Promise<void> {
    const { terminal, messenger, peer } = this.#options
    const leave = () => this.#left.resolve()
    terminal.stop.addEventListener('abort', leave, { once: true })
    if (terminal.stop.aborted) leave()
    const screen = openScreen(terminal, {
      onLine: (text) => this.#enter(text),
      onEnd: () => {
        this.#inputEnded = true
        this.#leaveWhenSent()
      },
      onInterrupt: leave,
    })
    this.#screen = screen
    screen.setPeer(peer)
    for (const message of this.#history.last(SHOWN)) screen.show(message)
    screen.notice(`You are ${messenger.address}.`)
    const work = [this.#receive(), this.#find(), this.#follow()]
    this.#sendUnsent()
    for (const one of work) one.catch((error: unknown) => this.#left.reject(error))
    try {
      await this.#left.promise
    } finally {
      terminal.stop.removeEventListener('abort', leave)
      this.#stop.abort(new Error('the conversation is left'))
      screen.close()
      terminal.input.destroy()
      await messenger[Symbol.asyncDispose]()
      await Promise.allSettled([...work, this.#sending])
      this.#history.close()
    }
  }

  async #find(): Promise<void> {
    const { messenger, peer } = this.#options
    try {
      const found = await messenger.find(peer, this.#stop.signal)
      this.#screen?.notice(
        found
          ? `Found ${peer}, ${found.card === 'ledger' ? 'by its own word' : 'by the word of its peer'}.`
          : `No contact card of ${peer} was found yet; what you write waits for it, or goes the plain way if you allow that.`,
      )
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#screen?.notice(`${peer} could not be looked for: ${reasonOf(error)}`)
    }
  }

  async #receive(): Promise<void> {
    for await (const message of this.#options.messenger.messages()) {
      if (this.#stop.signal.aborted) return
      this.#take(message)
      message.done()
    }
  }

  #take({ id = randomBytes(16).toString('hex'), from, text, bytes, way }: ParleyMessage): void {
    const { peer } = this.#options
    const shown = text ?? `(${bytes.length} bytes that are no text)`
    const number = envelopeNumber(id)
    if (from !== peer) {
      const history = this.#historyWith(from)
      try {
        history.addTheirs(number, shown, Date.now())
      } finally {
        history.close()
      }
      this.#screen?.notice(`${from} has written to you: parley talk ${from}`)
      return
    }
    const message = this.#history.addTheirs(number, shown, Date.now())
    if (!message) return
    if (way === 'plain') this.#screen?.notice('The next message came the plain way: peers could read it.')
    this.#screen?.show(message)
  }

  #enter(text: string): void {
    if (text.trim() === '') return
    this.#screen?.show(this.#history.addMine(text, Date.now()))
    this.#sendUnsent()
  }

  #sendUnsent(): void {
    const { messenger, peer } = this.#options
    this.#sending = this.#sending.then(async () => {
      for (const { id, text } of this.#history.unsent()) {
        if (this.#stop.signal.aborted) return
        try {
          this.#history.acceptedAs(id, await messenger.send(peer, text, this.#stop.signal))
        } catch (error) {
          if (!this.#stop.signal.aborted) this.#screen?.notice(`Not sent: ${reasonOf(error)}`)
          return
        }
      }
      this.#leaveWhenSent()
    })
  }

  /** Looks where own messages are, as long as there are some under way. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      for (const { msgId, state } of this.#history.underWay()) {
        const id = msgId === null ? undefined : this.#history.envelopeOf(msgId)
        const trace = id === undefined ? undefined : await this.#options.messenger.trace(id)
        if (signal.aborted) return
        if (msgId !== null && trace && STATES[trace.state] !== state) this.#show(msgId, trace)
      }
      this.#leaveWhenSent()
      await sleep(LOOK_AGAIN, undefined, { signal }).catch(() => {})
    }
  }

  #show(msgId: number, { state, reason, way }: EnvelopeTrace): void {
    const message = this.#history.setState(msgId, STATES[state])
    if (message) this.#screen?.update(message)
    if (state === 'not delivered') this.#screen?.notice(`Not delivered: ${reason ?? 'no reason is known'}.`)
    else if (way === 'plain') this.#screen?.notice('Sent the plain way: peers could read it.')
  }

  #leaveWhenSent(): void {
    if (!this.#inputEnded || this.#history.unsent().length > 0) return
    if (this.#history.underWay().every(({ state }) => state === 'sent')) this.#left.resolve()
  }

  #historyWith(peer: string): History {
    const { dataFolder, messenger } = this.#options
    return new History(ConversationFolder.historyOf(dataFolder, messenger.address, peer))
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
