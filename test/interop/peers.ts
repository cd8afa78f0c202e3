import { fileURLToPath } from 'node:url'
import type { AgentConfig } from '@parley/agent'
import { type Json, JsonLinesProgram, type JsonObject } from './json-lines.ts'
import type { Originals } from './originals.ts'
import { type Product, parleyArguments, sourceArguments } from './routers.ts'
import type { RunningProgram, Workspace } from './workspace.ts'

/** Highest versions an agent speaks; what is left out is the program's own limit. */
export interface VersionLimits {
  readonly agent?: number
  readonly e2e?: number
  readonly client?: number
  readonly smp?: number
}

/** Events that an agent repeats after a restart, or that are about its own run. */
const REPEATED: ReadonlySet<string> = new Set(['MSG', 'RCVD', 'READY', 'CONNECT', 'DISCONNECT', 'UP', 'DOWN'])

const OLDER_AGENT = fileURLToPath(new URL('older-agent.ts', import.meta.url))

/** Limits of our agent. */
export interface ParleyLimits extends VersionLimits {
  /** False: own queues are secured by their recipient, so that handshakes are slow. */
  readonly senderSecures?: boolean
}

/** How an agent is started. */
export interface PeerSettings {
  /** Routers for its new queues. */
  readonly smp: readonly string[]
  readonly limits: ParleyLimits
}

export interface Invitation {
  readonly connId: string
  readonly link: string
  readonly shortLink: string | undefined
}

/** A received message, in the same form from both programs. */
export interface ReceivedMessage {
  readonly msgId: number
  /** `ok`, or what is wrong with it. */
  readonly integrity: string
  readonly text: string
  readonly pq: boolean
}

export interface Receipt {
  readonly msgId: number
  readonly receipts: readonly { readonly msgId: number; readonly status: string }[]
}

/** The versions a connection uses, as the original has stored them. */
export interface ConnectionVersions {
  readonly agent: number
  readonly e2e: number
  /** Of the queue to which the original sends. */
  readonly client: number
}

/** An agent in a process of its own with its database: the same for the original and for ours. */
export class Peer {
  readonly name: string
  readonly product: Product
  readonly #run: (settings: PeerSettings) => RunningProgram
  readonly #settings: PeerSettings
  #program: JsonLinesProgram | undefined
  #ready: JsonObject | undefined
  #running = Promise.withResolvers<void>()

  private constructor(
    name: string,
    product: Product,
    settings: PeerSettings,
    run: (settings: PeerSettings) => RunningProgram,
  ) {
    this.name = name
    this.product = product
    this.#settings = settings
    this.#run = run
  }

  /** An agent on the original's library. */
  static async original(
    workspace: Workspace,
    { agentDriver }: Originals,
    name: string,
    settings: PeerSettings,
  ): Promise<Peer> {
    const db = await workspace.path(`${name}.db`)
    // Soon enough for a test; the defaults are seconds.
    const retries = ['--reconnect-ms', '300', '--msg-retry-ms', '300', '--timeout-ms', '8000']
    return new Peer(name, 'original', settings, ({ smp, limits }) => {
      const versions = Object.entries(limits).flatMap(([protocol, max]) => [`--${protocol}-version-max`, String(max)])
      return workspace.run(agentDriver, ['--db', db, '--smp', smp.join(','), ...retries, ...versions])
    })
  }

  /** Our agent: `parley agent --jsonl`, or with settings that only the library has. */
  static async parley(workspace: Workspace, name: string, settings: PeerSettings): Promise<Peer> {
    const data = await workspace.path(name)
    return new Peer(name, 'parley', settings, ({ smp, limits }) => {
      const config = JSON.stringify(configOf(limits))
      const args =
        config === '{}'
          ? parleyArguments('agent', '--data', data, '--smp', smp.join(','), '--jsonl')
          : sourceArguments(OLDER_AGENT, data, smp.join(','), config)
      return workspace.run(process.execPath, args)
    })
  }

  /** The same agent, to be started with other settings. */
  with(settings: Partial<PeerSettings>): Peer {
    return new Peer(this.name, this.product, { ...this.#settings, ...settings }, this.#run)
  }

  /** Starts it, again too: events of the last run can still be waited for, but those that come again. */
  async start(): Promise<void> {
    const unread = this.#program?.unread.filter(({ event }) => !REPEATED.has(String(event)))
    this.#program = new JsonLinesProgram(this.name, this.#run(this.#settings), unread)
    if (this.product === 'original') this.#ready = await this.#program.event('READY')
    this.#running.resolve()
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    this.#running = Promise.withResolvers()
    await this.program.end('SIGKILL')
  }

  /** Resolves when it runs: at once, or after its restart. */
  running(): Promise<void> {
    return this.#running.promise
  }

  /** Asks it to end, and waits. */
  async stop(): Promise<void> {
    this.#running = Promise.withResolvers()
    await this.program.call('stop')
    await this.program.ended
  }

  /** The running program, for commands that only one of the products has. */
  get program(): JsonLinesProgram {
    if (!this.#program) throw new Error(`${this.name} is not started`)
    return this.#program
  }

  async createConnection(args: { readonly mode: 'invitation' | 'contact'; readonly pq: boolean }): Promise<Invitation> {
    const { connId, link, shortLink } = await this.program.call('createConnection', args)
    return { connId: string(connId), link: string(link), shortLink: shortLink == null ? undefined : string(shortLink) }
  }

  /** @param args.connId where the original has left a failed join; ours knows it by the link */
  async joinConnection(args: {
    readonly link: string
    readonly info: string
    readonly pq: boolean
    readonly connId?: string
  }): Promise<string> {
    return string((await this.program.call('joinConnection', args)).connId)
  }

  async allowConnection(args: {
    readonly connId: string
    readonly confId: string
    readonly info: string
  }): Promise<void> {
    await this.program.call('allowConnection', args)
  }

  async acceptContact(args: { readonly invId: string; readonly info: string; readonly pq: boolean }): Promise<string> {
    return string((await this.program.call('acceptContact', args)).connId)
  }

  async rejectContact(invId: string): Promise<void> {
    await this.program.call('rejectContact', { invId })
  }

  async sendMessage(connId: string, text: string, pq: boolean): Promise<number> {
    return number((await this.program.call('sendMessage', { connId, text, pq })).msgId)
  }

  async ackMessage(connId: string, msgId: number, receipt = false): Promise<void> {
    await this.program.call('ackMessage', { connId, msgId, receipt })
  }

  /** Subscribes the connections; ours always subscribes all it has. */
  async subscribe(connIds: readonly string[]): Promise<void> {
    const { results = [], errors = [] } = await this.program.call('subscribeConnections', { connIds })
    const failed = [...(errors as readonly JsonObject[]), ...(results as readonly JsonObject[]).filter(({ ok }) => !ok)]
    if (failed.length > 0) throw new Error(`${this.name} cannot subscribe: ${JSON.stringify(failed)}`)
  }

  /** Subscribes all connections. */
  async subscribeAll(): Promise<void> {
    if (this.product === 'parley') await this.subscribe([])
    else await this.program.call('subscribeAllConnections')
  }

  async suspendConnection(connId: string): Promise<void> {
    await this.program.call('suspendConnection', { connId })
  }

  async deleteConnection(connId: string): Promise<void> {
    await this.program.call('deleteConnection', { connId })
  }

  async switchConnection(connId: string): Promise<void> {
    await this.program.call('switchConnection', { connId })
  }

  event(name: string, fields: JsonObject = {}, timeout?: number): Promise<JsonObject> {
    return this.program.event(name, fields, timeout)
  }

  async message(connId: string, timeout?: number): Promise<ReceivedMessage> {
    const event = await this.event('MSG', { connId }, timeout)
    const { integrity, text, body, body64 } = event
    return {
      msgId: number(event.msgId),
      integrity: integrity === 'OK' || integrity === 'ok' ? 'ok' : JSON.stringify(integrity),
      text: typeof text === 'string' ? text : Buffer.from(string(body ?? body64 ?? ''), 'base64').toString(),
      pq: event.pq === true,
    }
  }

  async receipt(connId: string, timeout?: number): Promise<Receipt> {
    const { msgId, receipts } = await this.event('RCVD', { connId }, timeout)
    return { msgId: number(msgId), receipts: receipts as unknown as Receipt['receipts'] }
  }

  /** The original's view of a connection's versions; undefined for our agent. */
  async versions(connId: string): Promise<ConnectionVersions | undefined> {
    if (this.product !== 'original') return undefined
    const id = Buffer.from(connId, 'base64url').toString('hex')
    const query = `SELECT smp_agent_version, smp_client_version, substr(ratchet_state, 1, 20) FROM connections
      JOIN snd_queues USING (conn_id) JOIN ratchets USING (conn_id) WHERE conn_id = x'${id}'`
    const { rows } = await this.program.call('sql', { query })
    // A line of names, then one with the values.
    const values = /^(\d+)\|(\d+)\|\{"rcVersion":\[(\d+),/.exec(String((rows as readonly Json[])[1]))
    if (!values) throw new Error(`no versions: ${JSON.stringify(rows)}`)
    return { agent: Number(values[1]), client: Number(values[2]), e2e: Number(values[3]) }
  }

  /** The versions that the original says it speaks; undefined for our agent. */
  get announced(): string | undefined {
    const { agentVersions, e2eVersions, clientVersions, smpVersions } = this.#ready ?? {}
    if (agentVersions === undefined) return undefined
    return `agent ${agentVersions}, e2e ${e2eVersions}, client ${clientVersions}, SMP ${smpVersions}`
  }
}

function configOf({ agent, e2e, client, smp, senderSecures }: ParleyLimits): Partial<AgentConfig> {
  return {
    ...(agent !== undefined && { agentVersions: { min: 2, max: agent } }),
    ...(e2e !== undefined && { e2eVersions: { min: 2, max: e2e } }),
    ...(client !== undefined && { clientVersions: { min: 1, max: client } }),
    ...(smp !== undefined && { smpVersions: { min: 6, max: smp } }),
    ...(senderSecures !== undefined && { senderSecures }),
  }
}

function string(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error(`not a string: ${JSON.stringify(value)}`)
  return value
}

function number(value: Json | undefined): number {
  if (typeof value !== 'number') throw new Error(`not a number: ${JSON.stringify(value)}`)
  return value
}
