import type { AbortOptions, Stream } from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Uint8ArrayList } from 'uint8arraylist'
import { pauseReading, resumeReading } from '../streams/reading.ts'

/** A circuit as a connection that is still to be secured. Ends together with the stream that carries it. */
export class CircuitConnection extends AbstractMultiaddrConnection {
  readonly #stream: Stream

  constructor(stream: Stream, remoteAddr: Multiaddr) {
    super({ log: stream.log, direction: stream.direction, remoteAddr })
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => this.onData(data))
    stream.addEventListener('drain', () => this.safeDispatchEvent('drain'))
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', ({ error }) => this.onTransportClosed(error))
    if (stream.status !== 'open') this.onTransportClosed(new Error('circuit is closed'))
  }

  sendData(data: Uint8ArrayList): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#stream.send(data) }
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    await this.#stream.close(options)
  }

  sendReset(error: Error): void {
    this.#stream.abort(error)
  }

  sendPause(): void {
    pauseReading(this.#stream)
  }

  sendResume(): void {
    resumeReading(this.#stream)
  }

  /** A connection has no halves: when the other side ends its own, ours ends too. */
  #onEnd(): void {
    this.onRemoteCloseWrite()
    this.close().catch((error: Error) => this.abort(error))
  }
}
