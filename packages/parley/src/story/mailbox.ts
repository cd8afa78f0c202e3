import type { Parley } from '../parley.ts'

/** How much of what one side waits for is there. */
export interface Holdings {
  /** Messages received. */
  readonly texts?: number
  /** Own messages that the other side's application has taken. */
  readonly delivered?: number
}

/** What one side of the story has received and knows of its own messages, and waiting for more of it. */
export class Mailbox {
  readonly texts: string[] = []
  /** Messages that did not come in private, or not from the one that was expected. */
  strange = 0
  /** Post-quantum encryption of the channel; undefined before there is one. */
  pq: boolean | undefined
  readonly #delivered = new Set<string>()
  #changed = Promise.withResolvers<void>()
  #reading: Promise<void> = Promise.resolve()

  /** Own messages that the other side's application has taken. */
  get delivered(): number {
    return this.#delivered.size
  }

  /** Reads for an agent from now on, until that is closed. */
  attach(agent: Parley, from: string, onText: (text: string) => void): void {
    const { channels } = agent.gateway
    channels.on('opened', ({ pq }) => {
      this.pq = pq
      this.#notify()
    })
    channels.on('delivered', ({ id }) => {
      this.#delivered.add(id)
      this.#notify()
    })
    this.#reading = this.#read(agent, from, onText)
  }

  /** Resolves when that much is there. */
  async holds({ texts = 0, delivered = 0 }: Holdings): Promise<void> {
    while (this.texts.length < texts || this.delivered < delivered) await this.#changed.promise
  }

  /** Resolves when the agent is closed and everything of it was read. */
  async ended(): Promise<void> {
    await this.#reading
  }

  async #read(agent: Parley, expected: string, onText: (text: string) => void): Promise<void> {
    for await (const { from, text = '', way, done } of agent.messages()) {
      if (way !== 'private' || from !== expected) this.strange++
      this.texts.push(text)
      onText(text)
      done()
      this.#notify()
    }
  }

  #notify(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
