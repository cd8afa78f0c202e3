import { NodeProcess } from '../acn/node-process.ts'
import type { Pair, Talking } from './network.ts'

/** Two nodes of another program, which are plain, as agents have them today: the second has joined the first. */
export class OtherNetwork implements Talking {
  readonly way = 'other'
  readonly #first: NodeProcess
  readonly #second: NodeProcess

  private constructor(first: NodeProcess, second: NodeProcess) {
    this.#first = first
    this.#second = second
  }

  /** @param command the program, which takes an env file as its only argument */
  static async start(command: string, folder: string): Promise<OtherNetwork> {
    const program = { name: 'other', command, args: [] }
    const first = await NodeProcess.start({ program, folder })
    try {
      return new OtherNetwork(first, await NodeProcess.start({ program, folder, entryPeers: [first.multiaddr] }))
    } catch (error) {
      await first.stop()
      throw error
    }
  }

  async newPair(): Promise<Pair> {
    return { from: await this.#first.newDelegate(), to: await this.#second.newDelegate() }
  }

  /** There is nothing to open. */
  async opened(): Promise<void> {}

  async stop(): Promise<void> {
    await Promise.all([this.#first.stop(), this.#second.stop()])
  }
}
