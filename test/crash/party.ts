import { type AgentEventLine, GoneError, JsonlAgent, RequestError } from '../harness/jsonl-agent.ts'
import type { Ledger } from './ledger.ts'

type State = 'pending' | 'waiting' | 'sent' | 'received' | 'failed'

/** Messages of one direction that may be accepted and not yet acknowledged: less than a router's queue holds. */
const WINDOW = 40

/** One agent process, killed and started again at will, with the application that uses it. */
export class Party {
  readonly name: string
  readonly #dataDir: string
  readonly #server: string
  readonly #sends: Ledger
  readonly #receives: Ledger
  readonly #faults: string[]
  readonly #onProgress: () => void
  #agent: JsonlAgent
  /** Resolves when the current process, or one after it, can be used. */
  #started = Promise.withResolvers<void>()
  #isStarted = false
  #progress = Promise.withResolvers<void>()
  #stopping = false
  /** Latest state of each sent message that an event told. */
  readonly #states = new Map<number, State>()
  connId = ''

  constructor(options: {
    readonly name: string
    readonly dataDir: string
    readonly server: string
    readonly sends: Ledger
    readonly receives: Ledger
    readonly faults: string[]
    readonly onProgress: () => void
  }) {
    this.name = options.name
    this.#dataDir = options.dataDir
    this.#server = options.server
    this.#sends = options.sends
    this.#receives = options.receives
    this.#faults = options.faults
    this.#onProgress = options.onProgress
    this.#agent = JsonlAgent.start(this.#dataDir, [this.#server])
  }

  /** The process that runs now. */
  get agent(): JsonlAgent {
    return this.#agent
  }

  /** Goes on with the connection in the current process: reads events from now on. */
  run(): void {
    this.#isStarted = true
    this.#started.resolve()
    void this.#readEvents(this.#agent)
  }

  /** Kills the process, whatever it is doing, and starts another on the same data without waiting for it. */
  async crash(): Promise<void> {
    if (this.#isStarted) this.#started = Promise.withResolvers()
    this.#isStarted = false
    await this.#agent.child.kill()
    void this.#start()
  }

  async #start(): Promise<void> {
    const agent = JsonlAgent.start(this.#dataDir, [this.#server])
    this.#agent = agent
    void this.#readEvents(agent)
    try {
      await agent.request('subscribeConnections')
      this.#isStarted = true
      this.#started.resolve()
    } catch (error) {
      // Killed again while it started: the next one goes on.
      if (!(error instanceof GoneError)) this.#fault(`subscribeConnections: ${error}`)
    }
  }

  /** Ends the process as its user would. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#agent.request('stop')
    const code = await this.#agent.child.exited
    if (code !== 0) this.#fault(`stopped with ${code}`)
  }

  /** Something happened that somebody may wait for. */
  notify(): void {
    this.#progress.resolve()
    this.#progress = Promise.withResolvers()
  }

  /** Sends `count` messages, each until its sending is answered. */
  async send(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      while (this.#sends.underWay >= WINDOW) await this.#progress.promise
      await this.#sendUntilAnswered(i)
    }
  }

  async #sendUntilAnswered(number: number): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      await this.#started.promise
      const text = `${number}.${attempt}`
      try {
        const { msgId } = await this.#agent.request('sendMessage', { connId: this.connId, text })
        this.#sends.accept(text, msgId as number)
        return
      } catch (error) {
        if (!(error instanceof GoneError)) throw error
      }
    }
  }

  async #readEvents(agent: JsonlAgent): Promise<void> {
    /** In this life: id of each acknowledged message and the line of the answer. */
    const answered = new Map<number, number>()
    for await (const event of agent.events) {
      try {
        await this.#handle(agent, event, answered)
      } catch (error) {
        if (!(error instanceof GoneError)) this.#fault(`${event.event}: ${error}`)
      }
      this.#onProgress()
    }
    const code = await agent.child.exited
    if (code !== 'SIGKILL' && !this.#stopping) this.#fault(`ended by itself with ${code}: ${agent.child.stderr}`)
  }

  async #handle(agent: JsonlAgent, event: AgentEventLine, answered: Map<number, number>): Promise<void> {
    const { msgId, line } = event as AgentEventLine & { readonly msgId: number }
    switch (event.event) {
      case 'MSG': {
        const text = event.text as string
        const answerLine = answered.get(msgId)
        // Printed before the answer: it was on its way when the application acknowledged.
        if (answerLine !== undefined && line < answerLine) return
        this.#receives.receive(text, msgId, event.integrity)
        const answer = await this.#acknowledge(agent, msgId, wantsReceipt(text))
        answered.set(msgId, answer)
        this.#receives.acknowledge(text)
        return
      }
      case 'RCVD':
        if (answered.has(msgId)) return
        answered.set(msgId, await this.#acknowledge(agent, msgId, false))
        return
      case 'STATUS':
        this.#recordState(msgId, event.state as State)
        return
      case 'MERR':
      case 'MERRS':
      case 'ERR':
      case 'END':
      case 'DELD':
      case 'RSYNC':
        this.#fault(`event ${JSON.stringify(event)}`)
    }
  }

  async #acknowledge(agent: JsonlAgent, msgId: number, receipt: boolean): Promise<number> {
    return (await agent.ask('ackMessage', { connId: this.connId, msgId, receipt })).line
  }

  #recordState(msgId: number, state: State): void {
    const before = this.#states.get(msgId)
    // After a crash a state may be told again; it never goes back.
    if (before === 'received' && state !== 'received') this.#fault(`message ${msgId} went from received to ${state}`)
    if (before === 'sent' && state !== 'sent' && state !== 'received') {
      this.#fault(`message ${msgId} went from sent to ${state}`)
    }
    if (state === 'failed') this.#fault(`message ${msgId} failed`)
    this.#states.set(msgId, state)
  }

  /** The state of every accepted message that is not the final one it must have; empty when all is as it should be. */
  async wrongStates(): Promise<string[]> {
    await this.#started.promise
    const wrong: string[] = []
    for (const [text, msgId] of this.#sends.accepted) {
      const { state } = await this.#agent.request('messageStatus', { connId: this.connId, msgId })
      const expected: State = wantsReceipt(text) ? 'received' : 'sent'
      if (state !== expected) wrong.push(`${this.name}: ${text} (${msgId}) is ${state}, not ${expected}`)
    }
    return wrong
  }

  /** Resolves when events have told the final state of every accepted message, or asking tells it. */
  async settled(): Promise<void> {
    for (const [text, msgId] of this.#sends.accepted) {
      const expected: State = wantsReceipt(text) ? 'received' : 'sent'
      for (;;) {
        const progress = this.#progress.promise
        const told = this.#states.get(msgId)
        if (told === expected) break
        try {
          const { state } = await this.#agent.request('messageStatus', { connId: this.connId, msgId })
          this.#states.set(msgId, state as State)
          if (state === expected) break
        } catch (error) {
          if (error instanceof RequestError) throw error
        }
        await progress
      }
    }
  }

  #fault(what: string): void {
    this.#faults.push(`${this.name}: ${what}`)
  }
}

/** Every other message asks for a receipt, so that both final states occur. */
function wantsReceipt(text: string): boolean {
  return Number.parseInt(text, 10) % 2 === 0
}
