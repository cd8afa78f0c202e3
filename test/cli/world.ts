import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connected, connect, type EventLine, JsonlProcess } from './jsonl-process.ts'
import { RouterProcess } from './parley.ts'

/** Two connected agents, with the folders to start them again. */
export interface Pair {
  readonly a: JsonlProcess
  readonly b: JsonlProcess
  readonly folders: { readonly a: string; readonly b: string }
  readonly connected: Connected
}

/** A router and a folder for the agents that use it. */
export class World {
  readonly router: RouterProcess
  readonly #folder: string
  #folders = 0

  private constructor(folder: string, router: RouterProcess) {
    this.#folder = folder
    this.router = router
  }

  static async start(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-cli-'))
    return new World(folder, await RouterProcess.start(join(folder, 'router')))
  }

  /** A path at which nothing is yet. */
  folder(name: string): string {
    return join(this.#folder, `${name}-${this.#folders++}`)
  }

  /** Starts an agent on new or used data. */
  agent(folder: string): JsonlProcess {
    return JsonlProcess.start(folder, this.router.address)
  }

  async pair(): Promise<Pair> {
    const folders = { a: this.folder('a'), b: this.folder('b') }
    const agents = { a: this.agent(folders.a), b: this.agent(folders.b) }
    return { folders, ...agents, connected: await connect(agents.a, agents.b) }
  }

  /** Stops the router, which must end well, and removes the folder. */
  async stop(): Promise<void> {
    try {
      assert.equal(await this.router.stop(), 0)
    } finally {
      await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** True of events of a connection. */
export const of = (connId: string) => (line: EventLine) => line.connId === connId

/** Sends a text; its message id. */
export async function send(agent: JsonlProcess, connId: string, text: string): Promise<number> {
  return (await agent.request<{ msgId: number }>('sendMessage', { connId, text })).msgId
}

/** The state of a sent message. */
export async function state(agent: JsonlProcess, connId: string, msgId: number): Promise<string> {
  return (await agent.request<{ state: string }>('messageStatus', { connId, msgId })).state
}

/** Takes the next message of a connection and acknowledges it. */
export async function receive(agent: JsonlProcess, connId: string, receipt = false): Promise<EventLine> {
  const message = await agent.next('MSG', of(connId))
  await agent.request('ackMessage', { connId, msgId: message.msgId, receipt })
  return message
}
