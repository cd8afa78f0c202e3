import { randomBytes } from 'node:crypto'
import {
  type AgentRecord,
  decodeAgentRecord,
  decodeEnvelope,
  encodeAgentRecord,
  encodeEnvelope,
} from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { BoundedQueue } from '@parley/core/queue'
import { newRecord } from '../../../packages/acn/test/peer/test-peer.ts'
import { LineChild } from '../../harness/child.ts'

const WAITING = 1000
const COMMAND_TIME = 40_000

/** How the Go program is started. */
export interface GoPeerOptions {
  /** The built program. */
  readonly program: string
  /** Multiaddrs with `/p2p/`. */
  readonly entryPeers?: readonly string[]
  readonly isClient?: boolean
  readonly ledger?: number
}

interface Line {
  readonly id?: number
  readonly result?: unknown
  readonly error?: string
  readonly event?: 'envelope' | 'notified' | 'registered'
  readonly envelope?: string
}

/** A peer or relay client on go-libp2p, in a process of its own, with one agent. */
export class GoPeer {
  readonly key = new PeerKey(randomBytes(32))
  readonly record: AgentRecord
  /** Words of the envelopes that came. */
  readonly received = new BoundedQueue<string>(WAITING)
  readonly #child: LineChild
  readonly #contact: string
  readonly #commands = new Map<number, PromiseWithResolvers<unknown>>()
  #multiaddr = ''
  #lastId = 0

  private constructor({ program, entryPeers = [], isClient = false, ledger = 0 }: GoPeerOptions) {
    this.record = newRecord(this.key.publicKeyHex, ledger)
    this.#contact = isClient ? (entryPeers[0]?.split('/').at(-1) ?? '') : ''
    this.#child = new LineChild(program, [])
    void this.#read()
  }

  /** Starts it, joins, and announces the agent: a relay client by registering it at its first entry peer. */
  static async start(options: GoPeerOptions): Promise<GoPeer> {
    const peer = new GoPeer(options)
    try {
      await peer.#start(options)
    } catch (error) {
      await peer.stop()
      throw error
    }
    return peer
  }

  get address(): string {
    return this.record.address
  }

  get peerId(): string {
    return this.key.peerId
  }

  get multiaddr(): string {
    return this.#multiaddr
  }

  /** Sends words; gives the status code of the peer that took them. */
  async send(to: string, words: string): Promise<number> {
    const message = Buffer.from(words)
    const envelope = encodeEnvelope({ to, sender: this.address, protocolId: 'fetchai/default:1.0.0', message, uri: '' })
    const sent = { peerId: this.#contact, envelope: base64(envelope), record: base64(encodeAgentRecord(this.record)) }
    const { code } = (await this.#command('send', sent)) as { code: number }
    return code
  }

  /** Peer ids of those who provide an address, once there is one. */
  find(address: string): Promise<string[]> {
    return this.#command('find', { address }) as Promise<string[]>
  }

  /** Asks a peer for the record of an agent: the record, or the code of the status. */
  async lookUp(peerId: string, address: string): Promise<AgentRecord | number> {
    const { record, code } = (await this.#command('lookUp', { peerId, address })) as { record?: string; code: number }
    return record === undefined ? code : decodeAgentRecord(Buffer.from(record, 'base64'))
  }

  /** Registers a record at a relay; gives the status code. */
  async register(peerId: string, record: AgentRecord): Promise<number> {
    const given = { peerId, record: base64(encodeAgentRecord(record)) }
    const { code } = (await this.#command('register', given)) as { code: number }
    return code
  }

  /** Ends it at once. */
  stop(): Promise<void> {
    return this.#child.kill()
  }

  async #start({ entryPeers = [], isClient = false }: GoPeerOptions): Promise<void> {
    const privateKey = base64(this.key.exportPrivateKey())
    const started = await this.#command('start', { privateKey, entryPeers, isClient })
    this.#multiaddr = (started as { multiaddrs: string[] }).multiaddrs[0] ?? ''
    await this.#command('join', {})
    await this.#command('announce', { record: base64(encodeAgentRecord(this.record)) })
    if (!isClient) return
    const code = await this.register(this.#contact, this.record)
    if (code !== 0) throw new Error(`registration was answered with ${code}`)
  }

  async #command(cmd: string, values: object): Promise<unknown> {
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.#commands.set(id, answer)
    this.#child.writeLine(JSON.stringify({ id, cmd, ...values }))
    const timer = setTimeout(() => answer.reject(new Error(`${cmd} was not answered`)), COMMAND_TIME)
    try {
      return await answer.promise
    } finally {
      clearTimeout(timer)
      this.#commands.delete(id)
    }
  }

  async #read(): Promise<void> {
    for await (const line of this.#child.lines) this.#take(JSON.parse(line) as Line)
    this.received.close()
    for (const { reject } of this.#commands.values()) reject(new Error(`Go program ended: ${this.#child.stderr}`))
  }

  #take({ id, result, error, event, envelope }: Line): void {
    if (event === 'envelope' && envelope !== undefined) {
      const { message } = decodeEnvelope(Buffer.from(envelope, 'base64'))
      this.received.tryPut(Buffer.from(message).toString())
    }
    const command = id === undefined ? undefined : this.#commands.get(id)
    if (error !== undefined) command?.reject(new Error(`Go program: ${error}`))
    else command?.resolve(result)
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
