import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import {
  type AcnMessage,
  type AgentRecord,
  decodeAcnMessage,
  decodeEnvelope,
  type Envelope,
  encodeAcnMessage,
  encodeEnvelope,
  encodeFrame,
  expectSuccess,
  FrameDecoder,
  STATUS,
  SUCCESS_MESSAGE,
} from '@parley/acn/protocol'
import { BoundedQueue } from '@parley/core/queue'

/** Envelopes that wait to be taken by the test. */
const HELD = 10_000

/** What the originals' clients do differently. */
export interface FramedAgentOptions {
  /** Statuses that it writes for each envelope, 1 by default. */
  readonly acknowledgements?: number
  /** Makes a connection for the certificate alone, and trusts only that one on the next. */
  readonly looksFirst?: boolean
}

/** An agent as the originals have them, at a pipe or a delegate port: waits for the status of each envelope it sends. */
export class FramedAgent {
  readonly record: AgentRecord
  readonly received = new BoundedQueue<Envelope>(HELD)
  readonly #socket: Socket
  readonly #answers = new BoundedQueue<AcnMessage>(HELD)
  readonly #acknowledgements: number

  constructor(record: AgentRecord, socket: Socket, { acknowledgements = 1 }: FramedAgentOptions = {}) {
    this.record = record
    this.#socket = socket
    this.#acknowledgements = acknowledgements
    const decoder = new FrameDecoder()
    socket.on('data', (chunk: Buffer) => {
      decoder.push(chunk)
      for (let body = decoder.next(); body; body = decoder.next()) this.#take(body)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#answers.close()
      this.received.close()
    })
  }

  /** An agent at a delegate port: reads the signature of the certificate (not verified here) and registers. */
  static async delegate(record: AgentRecord, port: number, options: FramedAgentOptions = {}): Promise<FramedAgent> {
    const trust = options.looksFirst
      ? { ca: (await certificateAt(port)).toString(), checkServerIdentity: () => undefined }
      : { rejectUnauthorized: false }
    const socket = connect({ host: '127.0.0.1', port, ...trust })
    await once(socket, 'secureConnect')
    const signature = await firstFrame(socket)
    if (signature.length < 64) throw new Error('no signature of the certificate')
    const agent = new FramedAgent(record, socket, options)
    agent.#write({ type: 'register', record })
    expectSuccess(await agent.#answer())
    return agent
  }

  /** An agent to which a node connects: a port to listen on, and the agent once the node is there. */
  static async pipe(record: AgentRecord): Promise<{ port: number; connected: Promise<FramedAgent> }> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const connected = once(server, 'connection').then(([socket]) => {
      server.close()
      return new FramedAgent(record, socket as Socket)
    })
    return { port: typeof address === 'object' && address ? address.port : 0, connected }
  }

  get address(): string {
    return this.record.address
  }

  /** Sends and waits for the node to say SUCCESS, which it returns. */
  async send(to: string, message: Uint8Array | string): Promise<number> {
    const head = { to, sender: this.address, protocolId: 'fetchai/default:1.0.0', uri: '' }
    const envelope = encodeEnvelope({ ...head, message: Buffer.from(message as string) })
    this.#write({ type: 'aeaEnvelope', envelope })
    expectSuccess(await this.#answer())
    return STATUS.SUCCESS
  }

  /** The next envelope. */
  async next(): Promise<Envelope> {
    const envelope = await this.received.take()
    if (!envelope) throw new Error('node closed the connection')
    return envelope
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(body: Uint8Array): void {
    const message = decodeAcnMessage(body)
    if (message.type !== 'aeaEnvelope') {
      this.#answers.tryPut(message)
      return
    }
    for (let i = 0; i < this.#acknowledgements; i++) this.#write(SUCCESS_MESSAGE)
    this.received.tryPut(decodeEnvelope(message.envelope))
  }

  async #answer(): Promise<AcnMessage> {
    const answer = await this.#answers.take(AbortSignal.timeout(10_000))
    if (!answer) throw new Error('node closed the connection')
    return answer
  }

  #write(message: AcnMessage): void {
    this.#socket.write(encodeFrame(encodeAcnMessage(message)))
  }
}

/** The certificate at a port. */
export async function certificateAt(port: number): Promise<X509Certificate> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  if (certificate === undefined) throw new Error('no certificate')
  return certificate
}

async function firstFrame(socket: Socket): Promise<Uint8Array> {
  const decoder = new FrameDecoder()
  for (;;) {
    const [chunk] = await once(socket, 'data')
    decoder.push(chunk)
    const body = decoder.next()
    if (body) return body
  }
}
