import type { Stream } from '@libp2p/interface'
import { BoundedQueue } from '@parley/core/queue'
import { encodeFrame, FrameDecoder } from '../../protocol/index.ts'
import { FrameError } from './read-frame.ts'
import { pauseReading, resumeReading } from './reading.ts'

/** Frames that are held for a reader before the sender is made to wait. */
const HELD_FRAMES = 64

/**
 * A stream that stays open for many frames each way, for protocols of Parley's own: opening a stream costs many times
 * what a frame does. What the reader does not take makes the other side wait, through the muxer's window.
 */
export class FrameChannel {
  readonly #stream: Stream
  readonly #decoder: FrameDecoder
  readonly #frames = new BoundedQueue<Uint8Array>(HELD_FRAMES)
  #failure: Error | undefined
  #delivering: Promise<void> | undefined
  #isDelivering = false
  /** Settles when the channel is closed, with the reason if there is one. */
  readonly closed: Promise<Error | undefined>

  /** @param maxLength longest body that is taken, in bytes */
  constructor(stream: Stream, maxLength: number) {
    this.#stream = stream
    this.#decoder = new FrameDecoder({ maxLength })
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    this.closed = promise
    const end = (error?: Error) => {
      this.#failure ??= error
      // Frames that came before the end can still be read.
      Promise.resolve(this.#delivering).finally(() => this.#frames.close())
      resolve(this.#failure)
    }
    stream.addEventListener('message', ({ data }) => this.#onData(data.subarray()))
    stream.addEventListener('end', () => end())
    stream.addEventListener('close', ({ error }) => end(error))
    if (stream.status !== 'open') end(new FrameError('CLOSED', 'stream is closed'))
  }

  /** True while frames can be sent. */
  get isOpen(): boolean {
    return this.#stream.status === 'open'
  }

  /**
   * The next frame's body; undefined when the other side has ended the channel.
   * @throws what broke the channel; the signal's reason
   */
  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const frame = await this.#frames.take(signal)
    if (frame === undefined && this.#failure) throw this.#failure
    return frame
  }

  /**
   * Sends a frame and waits while the other side does not take more.
   * @throws FrameError when the channel is closed; the signal's reason
   */
  async write(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (!this.isOpen) throw new FrameError('CLOSED', 'channel is closed', { cause: this.#failure })
    if (this.#stream.writableNeedsDrain) await this.#stream.onDrain(signal ? { signal } : {})
    this.#stream.send(encodeFrame(body))
  }

  /** Ends our half in order. */
  async close(): Promise<void> {
    await this.#stream.close()
  }

  /** Breaks the channel off. */
  abort(error: Error): void {
    this.#failure ??= error
    this.#stream.abort(error)
  }

  #onData(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
    // A flag and not the promise, which settles later than its work is done: two messages may come in one turn.
    if (!this.#isDelivering) this.#delivering = this.#deliver()
  }

  async #deliver(): Promise<void> {
    this.#isDelivering = true
    try {
      for (let body = this.#decoder.next(); body; body = this.#decoder.next()) {
        if (this.#frames.tryPut(body)) continue
        pauseReading(this.#stream)
        await this.#frames.put(body)
        resumeReading(this.#stream)
      }
    } catch (error) {
      this.abort(error as Error)
    } finally {
      this.#isDelivering = false
    }
  }
}
