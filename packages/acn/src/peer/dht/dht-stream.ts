import type { Stream } from '@libp2p/interface'
import { type DhtMessage, decodeDhtMessage, encodeDhtMessage } from './message.ts'
import { encodeVarintFrame, VarintFrameDecoder } from './varint-frames.ts'

/** A stream of the DHT on which questions are asked, one after the other. */
export class DhtStream {
  readonly #stream: Stream
  readonly #decoder = new VarintFrameDecoder()
  #waiting: PromiseWithResolvers<DhtMessage> | undefined
  #closed = false

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => this.#onData(data.subarray()))
    stream.addEventListener('remoteCloseWrite', () => this.#fail(new Error('DHT stream ended')))
    stream.addEventListener('close', ({ error }) => this.#fail(error ?? new Error('DHT stream closed')))
  }

  /** True while another question may be asked. */
  get isOpen(): boolean {
    return !this.#closed && this.#stream.status === 'open' && this.#waiting === undefined
  }

  /**
   * Asks and waits for the answer.
   * @throws when the stream fails or the signal aborts; the stream is of no use then
   */
  async ask(message: DhtMessage, signal: AbortSignal): Promise<DhtMessage> {
    signal.throwIfAborted()
    this.#waiting = Promise.withResolvers<DhtMessage>()
    const { promise } = this.#waiting
    const onAbort = () => this.#fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      this.tell(message)
      return await promise
    } catch (error) {
      this.abort(error as Error)
      throw error
    } finally {
      this.#waiting = undefined
      signal.removeEventListener('abort', onAbort)
      promise.catch(() => {})
    }
  }

  /** Sends what is not answered. False when the caller should wait for the stream to drain. */
  tell(message: DhtMessage): boolean {
    return this.#stream.send(encodeVarintFrame(encodeDhtMessage(message)))
  }

  /** Waits until more can be sent. */
  drain(signal: AbortSignal): Promise<void> {
    return this.#stream.onDrain({ signal })
  }

  /** Ends it in order: what was sent arrives. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#closed = true
    await this.#stream.close(signal ? { signal } : {})
  }

  abort(error: Error): void {
    this.#closed = true
    this.#stream.abort(error)
  }

  #onData(bytes: Uint8Array): void {
    try {
      this.#decoder.push(bytes)
      for (let body = this.#decoder.next(); body; body = this.#decoder.next()) this.#take(decodeDhtMessage(body))
    } catch (error) {
      this.#fail(error as Error)
      this.abort(error as Error)
    }
  }

  #take(message: DhtMessage): void {
    if (!this.#waiting) throw new Error('answer of the DHT that nobody asked for')
    this.#waiting.resolve(message)
  }

  #fail(error: unknown): void {
    this.#closed = true
    this.#waiting?.reject(error)
  }
}
