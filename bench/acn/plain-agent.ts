import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { type AgentRecord, encodeAcnMessage, encodeFrame, FrameDecoder, SUCCESS_BYTES } from '@parley/acn/protocol'
import { NumberedFrame } from './numbered-frame.ts'

const SUCCESS = Buffer.from(SUCCESS_BYTES)
const SUCCESS_FRAME = Buffer.from(encodeFrame(SUCCESS_BYTES))
/** First bytes of the messages that an agent gets: field 5 is an envelope, field 9 a status. */
const TAG = { envelope: 0x2a, status: 0x4a } as const

/**
 * An agent as those of the original programs are: one envelope at a time, the next after its status; every envelope is
 * acknowledged at once. It decodes nothing and verifies nothing, so that the node is what is measured.
 */
export class PlainAgent {
  readonly address: string
  /** Called with the number of each envelope that comes. */
  onEnvelope: (number: number) => void = () => {}
  readonly #socket: Socket
  readonly #decoder = new FrameDecoder()
  #waiting: PromiseWithResolvers<void> | undefined
  #before: Promise<void> = Promise.resolve()

  private constructor(address: string, socket: Socket) {
    this.address = address
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', () => {})
    socket.on('close', () => this.#waiting?.reject(new Error('the node closed the connection')))
  }

  /** Attaches an agent to a delegate port; `onEnvelope` from the first envelope on, should some wait for it. */
  static async delegate(
    record: AgentRecord,
    port: number,
    onEnvelope: (number: number) => void = () => {},
  ): Promise<PlainAgent> {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    // Its first frame is the node's signature, which comes before anything is asked.
    const signature = once(socket, 'data')
    signature.catch(() => {})
    await once(socket, 'secureConnect')
    await signature
    const agent = new PlainAgent(record.address, socket)
    agent.onEnvelope = onEnvelope
    await agent.send(Buffer.from(encodeFrame(encodeAcnMessage({ type: 'register', record }))))
    return agent
  }

  /** An agent to whom its node connects: the port on which it listens, and the agent once its node is there. */
  static async pipe(address: string): Promise<{ port: number; connected: Promise<PlainAgent> }> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bound = server.address()
    const connected = once(server, 'connection').then(([socket]) => {
      server.close()
      return new PlainAgent(address, socket as Socket)
    })
    connected.catch(() => {})
    return { port: typeof bound === 'object' && bound ? bound.port : 0, connected }
  }

  /**
   * Sends a frame after the one before has its status; resolves when its own has come.
   * @throws Error when that is not SUCCESS or the connection ends
   */
  send(frame: Buffer): Promise<void> {
    this.#before = this.#before.then(() => {
      this.#waiting = Promise.withResolvers()
      this.#socket.write(frame)
      return this.#waiting.promise
    })
    return this.#before
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#decoder.push(chunk)
    for (let body = this.#decoder.next(); body; body = this.#decoder.next()) this.#take(Buffer.from(body.buffer))
  }

  #take(body: Buffer): void {
    if (body[0] === TAG.envelope) {
      this.#socket.write(SUCCESS_FRAME)
      this.onEnvelope(NumberedFrame.numberIn(body))
    } else if (body[0] === TAG.status && body.equals(SUCCESS)) {
      this.#waiting?.resolve()
    } else {
      this.#waiting?.reject(new Error(`the node answered ${body.toString('hex')}`))
    }
  }
}
