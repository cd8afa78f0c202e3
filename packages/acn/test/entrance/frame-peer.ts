import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type AcnMessage, decodeAcnMessage, encodeAcnMessage, encodeFrame, FrameDecoder } from '@parley/acn/protocol'
import { BoundedQueue } from '@parley/core/queue'

/** A program at the other end of a connection that knows frames and nothing else: what originals do is done by hand. */
export class FramePeer {
  readonly socket: Socket
  /** Bodies as they came; ends when the connection does. */
  readonly frames = new BoundedQueue<Uint8Array>(100_000)
  /** Lengths of the chunks in which they came. */
  readonly chunks: number[] = []

  constructor(socket: Socket) {
    this.socket = socket
    const decoder = new FrameDecoder()
    socket.on('data', (chunk) => {
      this.chunks.push(chunk.length)
      decoder.push(chunk)
      for (let body = decoder.next(); body; body = decoder.next()) this.frames.tryPut(body)
    })
    socket.on('error', () => {})
    socket.on('close', () => this.frames.close())
  }

  static async tls(port: number): Promise<FramePeer> {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return new FramePeer(socket)
  }

  static async tcp(port: number): Promise<FramePeer> {
    const socket = connectTcp({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    return new FramePeer(socket)
  }

  send(message: AcnMessage): void {
    this.socket.write(encodeFrame(encodeAcnMessage(message)))
  }

  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** The next message; undefined when the connection has ended. */
  async next(): Promise<AcnMessage | undefined> {
    const body = await this.frames.take()
    return body && decodeAcnMessage(body)
  }

  /** Code of the next message, which must be a status; undefined when the connection has ended. */
  async status(): Promise<number | undefined> {
    const message = await this.next()
    if (message === undefined) return undefined
    if (message.type !== 'status') throw new Error(`${message.type} instead of a status`)
    return message.body?.code ?? -1
  }

  /** Waits for the end of the connection, throwing away what comes. */
  async ended(): Promise<void> {
    while ((await this.frames.take()) !== undefined);
  }

  destroy(): void {
    this.socket.destroy()
  }
}

export const SUCCESS: AcnMessage = { type: 'status', body: { code: 0, msgs: [] } }

/** The end of a connection, in order or not: `once` would take a reset for a failure. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
