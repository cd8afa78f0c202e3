import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream, StreamCloseEvent } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Is told of what is read and written, in its order. */
export type BytesObserver = (direction: 'in' | 'out', bytes: Uint8Array) => void

/** The plain side of a TLS connection, as libp2p wants it. Ends together with the stream that carries it. */
export class SecuredStream extends AbstractMessageStream {
  readonly #carrier: MessageStream
  readonly #socket: TLSSocket
  readonly #observe: BytesObserver | undefined
  #corked = false

  constructor(carrier: MessageStream, socket: TLSSocket, observe?: BytesObserver) {
    super({
      log: carrier.log,
      inactivityTimeout: carrier.inactivityTimeout,
      maxReadBufferLength: carrier.maxReadBufferLength,
      direction: carrier.direction,
    })
    this.#carrier = carrier
    this.#socket = socket
    this.#observe = observe
    socket.on('data', (bytes: Buffer) => {
      observe?.('in', bytes)
      this.onData(bytes)
    })
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('error', (error) => carrier.abort(error))
    socket.once('close', () => this.#closeCarrier())
    carrier.addEventListener('close', this.#onCarrierClose)
  }

  async close({ signal }: AbortOptions = {}): Promise<void> {
    if (this.#socket.closed) return
    this.#uncork()
    this.#socket.destroySoon()
    await once(this.#socket, 'close', signal ? { signal } : {})
  }

  /** The muxer sends each frame by itself; what it sends in one turn of the event loop goes out as one TLS write. */
  sendData(data: Uint8ArrayList): SendResult {
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => this.#uncork())
    }
    let sentBytes = 0
    let canSendMore = true
    for (const chunk of data) {
      sentBytes += chunk.byteLength
      this.#observe?.('out', chunk)
      canSendMore = this.#socket.write(chunk)
      if (!canSendMore) break
    }
    return { sentBytes, canSendMore }
  }

  sendReset(error: Error): void {
    this.#socket.destroy()
    this.#carrier.abort(error)
  }

  sendPause(): void {
    this.#socket.pause()
  }

  sendResume(): void {
    this.#socket.resume()
  }

  #uncork(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  #closeCarrier(): void {
    this.#carrier.close().catch((error: Error) => this.#carrier.abort(error))
  }

  /** Passes on why the carrier closed, so that a reset does not look like an orderly end. */
  readonly #onCarrierClose = ({ error, local }: StreamCloseEvent): void => {
    this.#socket.destroy()
    if (!error) this.onTransportClosed()
    else if (local) this.abort(error)
    else this.onRemoteReset()
  }
}
