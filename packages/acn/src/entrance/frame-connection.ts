import type { Socket } from 'node:net'
import { DecodeError } from '@parley/core/encoding'
import { encodeFrame, FrameDecoder, MAX_FRAME_LENGTH } from '../protocol/index.ts'
import { AcnConnectionError } from './connection-error.ts'

/**
 * Bytes of small frames that are written together. With TLS they are one record then, so that no small frame is ever
 * divided: some receivers take a record for a frame. `spec/acn.md §13`.
 */
const WRITE_TOGETHER = 16_380
/** Bytes that may wait to be written before nothing more is read: who does not take answers gets no more questions. */
const WRITE_AHEAD = 64 * 1024
/** How long a frame may take to arrive after its first byte, ms. */
const FRAME_TIMEOUT = 60_000
/** How long a write may wait for the other end to read, ms. */
const WRITE_TIMEOUT = 30_000
/** How long the other end has to close after we have, ms. */
const CLOSE_TIMEOUT = 2_000

/** How a {@link FrameConnection} behaves. */
export interface FrameConnectionOptions {
  /** Longest frame body that is taken, in bytes. */
  readonly maxLength?: number
  readonly frameTimeoutMs?: number
  readonly writeTimeoutMs?: number
}

/**
 * Frames over a socket (plain or TLS) that is connected. Reads only as fast as frames are taken and answers are read,
 * holds at most one unfinished frame, and ends by itself when the other end stops in the middle of a frame or stops
 * reading.
 */
export class FrameConnection {
  /** Called for each frame body, in order; set it before the first turn of the event loop after the constructor. */
  onFrame: (body: Uint8Array) => void = () => {}
  /** Called when the socket is closed, for the one who waits for a frame. */
  onClosed: (() => void) | undefined
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>
  /** `host:port` of the other end. */
  readonly remote: string
  readonly #socket: Socket
  readonly #decoder: FrameDecoder
  readonly #frameTimeoutMs: number
  readonly #writeTimeoutMs: number
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #writing = false
  #paused = false
  #reading = false
  /** Nothing more is written. */
  #ending = false
  /** Nothing more is taken. */
  #deaf = false
  #closeTimeoutMs = CLOSE_TIMEOUT
  #error: Error | undefined
  #frameTimer: NodeJS.Timeout | undefined
  #writeTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, options: FrameConnectionOptions = {}) {
    this.#socket = socket
    this.#decoder = new FrameDecoder({ maxLength: options.maxLength ?? MAX_FRAME_LENGTH })
    this.#frameTimeoutMs = options.frameTimeoutMs ?? FRAME_TIMEOUT
    this.#writeTimeoutMs = options.writeTimeoutMs ?? WRITE_TIMEOUT
    this.remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', (cause) => this.#fail(new AcnConnectionError('CLOSED', 'connection failed', { cause })))
    socket.on('close', () => {
      this.#ending = true
      this.#deaf = true
      this.#clearTimers()
      this.#queue.length = 0
      this.onClosed?.()
      resolve()
    })
    if (socket.destroyed) resolve()
  }

  /** Why it ended, undefined while it is open and when one end closed it in good order. */
  get error(): Error | undefined {
    return this.#error
  }

  /** False from the moment either end has begun to close. */
  get isOpen(): boolean {
    return !this.#ending && this.#socket.writable
  }

  /** Longest frame body that is taken from the next frame on, in bytes. */
  set maxLength(length: number) {
    this.#decoder.maxLength = length
  }

  /** Takes no more frames until {@link resume}. */
  pause(): void {
    this.#paused = true
    this.#socket.pause()
    this.#stopFrameTimer()
  }

  /** Takes frames again, first those that were read already. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#drain()
  }

  /**
   * Writes a frame, in order with the others and, if it is small, in one piece with others that wait. Nothing when the
   * connection is closing.
   * @throws EncodeError when the body is too long
   */
  write(body: Uint8Array): void {
    const frame = encodeFrame(body)
    if (!this.isOpen) return
    this.#queue.push(frame)
    this.#queuedBytes += frame.length
    this.#flush()
  }

  /**
   * Writes what waits and closes; what still arrives is thrown away.
   * @param withinMs how long the other end has to close too
   */
  close(withinMs: number = CLOSE_TIMEOUT): void {
    if (!this.#deaf) this.#discardInput()
    this.#finishWriting(withinMs)
  }

  /**
   * Writes what waits and closes this end; what still arrives is taken until the other end closes as well.
   * @param withinMs how long the other end has to close too
   */
  finish(withinMs: number = CLOSE_TIMEOUT): void {
    this.#finishWriting(withinMs)
    this.resume()
  }

  /** Closes at once. */
  destroy(reason?: Error): void {
    this.#fail(reason)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#deaf) return
    this.#decoder.push(chunk)
    this.#drain()
  }

  /** Hands over the frames that are there. Not from within itself: a handler may pause and resume. */
  #drain(): void {
    if (this.#reading) return
    this.#reading = true
    try {
      while (!this.#isHeld() && !this.#deaf) {
        const body = this.#decoder.next()
        if (!body) break
        this.#stopFrameTimer()
        this.onFrame(body)
      }
    } catch (error) {
      const isFrame = error instanceof DecodeError
      // Anything else is a fault of ours; it may cost this connection, not the process.
      this.#fail(isFrame ? new AcnConnectionError('FRAME', 'frame is too long', { cause: error }) : asError(error))
    } finally {
      this.#reading = false
    }
    if (this.#deaf) return
    if (this.#isHeld()) this.#socket.pause()
    else {
      this.#socket.resume()
      if (this.#decoder.buffered > 0) this.#startFrameTimer()
    }
  }

  #isHeld(): boolean {
    return this.#paused || this.#queuedBytes > WRITE_AHEAD
  }

  #flush(): void {
    if (this.#writing || this.#queue.length === 0) return
    this.#writing = true
    this.#writeTimer = setTimeout(() => this.#stalled(), this.#writeTimeoutMs).unref()
    this.#socket.write(this.#takeTogether(), () => this.#written())
  }

  /** The next frames that go together, as one array. */
  #takeTogether(): Uint8Array {
    let count = 0
    let length = 0
    for (const frame of this.#queue) {
      if (count > 0 && length + frame.length > WRITE_TOGETHER) break
      length += frame.length
      count++
    }
    const frames = this.#queue.splice(0, count)
    this.#queuedBytes -= length
    return frames.length === 1 && frames[0] ? frames[0] : Buffer.concat(frames, length)
  }

  #written(): void {
    clearTimeout(this.#writeTimer)
    this.#writing = false
    if (this.#socket.destroyed) return
    this.#flush()
    if (this.#ending && !this.#writing) this.#end()
    if (!this.#paused && !this.#deaf) this.#drain()
  }

  #finishWriting(withinMs: number): void {
    if (this.#ending) return
    this.#closeTimeoutMs = withinMs
    this.#ending = true
    if (!this.#writing) this.#end()
  }

  #end(): void {
    const timer = setTimeout(() => this.#socket.destroy(), this.#closeTimeoutMs).unref()
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.end()
  }

  /** A socket that is closed with input unread would take back what was written last. */
  #discardInput(): void {
    this.#deaf = true
    this.#stopFrameTimer()
    this.#socket.resume()
  }

  #fail(reason: Error | undefined): void {
    if (!this.#ending) this.#error = reason
    this.#ending = true
    this.#deaf = true
    this.#clearTimers()
    this.#socket.destroy()
  }

  #stalled(): void {
    this.#fail(new AcnConnectionError('STALLED', 'the other end does not read'))
  }

  #startFrameTimer(): void {
    this.#frameTimer ??= setTimeout(() => {
      this.#fail(new AcnConnectionError('TIMEOUT', 'frame did not arrive in time'))
    }, this.#frameTimeoutMs).unref()
  }

  #stopFrameTimer(): void {
    clearTimeout(this.#frameTimer)
    this.#frameTimer = undefined
  }

  #clearTimers(): void {
    this.#stopFrameTimer()
    clearTimeout(this.#writeTimer)
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/**
 * The next frame of a connection, which is paused after it until its `onFrame` is set and it is resumed.
 * @returns undefined when the connection ends before
 * @throws AcnConnectionError TIMEOUT; the signal's reason when it aborts
 */
export function nextFrame(
  connection: FrameConnection,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array | undefined> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
  const timer = setTimeout(() => reject(new AcnConnectionError('TIMEOUT', 'no frame in time')), timeoutMs)
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  connection.onFrame = (body) => {
    connection.pause()
    resolve(body)
  }
  connection.resume()
  // Not by its promise, which would keep all this for as long as the connection lasts.
  connection.onClosed = () => resolve(undefined)
  if (!connection.isOpen) void connection.closed.then(() => resolve(undefined))
  return promise.finally(() => {
    clearTimeout(timer)
    connection.onClosed = undefined
    signal?.removeEventListener('abort', abort)
  })
}
