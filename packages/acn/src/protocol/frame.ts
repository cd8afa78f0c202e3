import { DecodeError, EncodeError } from '@parley/core/encoding'
import { FRAME_HEADER_LENGTH, MAX_FRAME_LENGTH } from './limits.ts'

const FIRST_CAPACITY = 1024
const EMPTY = new Uint8Array()

/**
 * A frame: the body after its length (uint32, big-endian), in one array for one write, as `spec/acn.md §13` wants it.
 * @throws EncodeError when the body is longer than {@link MAX_FRAME_LENGTH}
 */
export function encodeFrame(body: Uint8Array): Uint8Array {
  if (body.length > MAX_FRAME_LENGTH) throw new EncodeError(`frame of ${body.length} bytes`)
  const frame = new Uint8Array(FRAME_HEADER_LENGTH + body.length)
  new DataView(frame.buffer).setUint32(0, body.length)
  frame.set(body, FRAME_HEADER_LENGTH)
  return frame
}

/**
 * Cuts a stream of bytes into frame bodies, however the bytes are divided among reads. Push one chunk, then take
 * frames until there is none: it holds no more than one unfinished frame and the last chunk, and memory grows with the
 * bytes that came, not with the length that was promised. With nothing to hold it holds no memory.
 */
export class FrameDecoder {
  /** Longest body that is taken, in bytes; may be changed between frames. */
  maxLength: number
  #buffer: Uint8Array = EMPTY
  /** The buffer is a chunk as it was read, which is neither written to nor kept. */
  #isChunk = false
  #start = 0
  #end = 0

  constructor({ maxLength = MAX_FRAME_LENGTH }: { readonly maxLength?: number } = {}) {
    this.maxLength = maxLength
  }

  /** Bytes that are held and not yet part of a frame taken. */
  get buffered(): number {
    return this.#end - this.#start
  }

  /** Adds bytes as they were read, which are not to be changed until all frames are taken that can be. */
  push(chunk: Uint8Array): void {
    if (this.buffered === 0) {
      this.#buffer = chunk
      this.#isChunk = true
      this.#start = 0
      this.#end = chunk.length
      return
    }
    this.#makeRoom(chunk.length)
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /**
   * The next whole frame's body (may be empty), a copy; undefined when more bytes are needed.
   * @throws DecodeError when the next frame is longer than {@link maxLength}: the stream is lost then
   */
  next(): Uint8Array | undefined {
    if (this.buffered < FRAME_HEADER_LENGTH) return this.#wait()
    const length = new DataView(this.#buffer.buffer, this.#buffer.byteOffset + this.#start).getUint32(0)
    if (length > this.maxLength) throw new DecodeError(`frame of ${length} bytes, at most ${this.maxLength}`, 0)
    if (this.buffered < FRAME_HEADER_LENGTH + length) return this.#wait()
    const from = this.#start + FRAME_HEADER_LENGTH
    const body = new Uint8Array(length)
    body.set(this.#buffer.subarray(from, from + length))
    this.#start = from + length
    if (this.buffered === 0) this.#release()
    return body
  }

  /** What is left of a chunk is copied: it may be a few bytes of a large block. */
  #wait(): undefined {
    if (this.buffered === 0) this.#release()
    else if (this.#isChunk) this.#makeRoom(0)
  }

  #release(): void {
    this.#buffer = EMPTY
    this.#isChunk = false
    this.#start = 0
    this.#end = 0
  }

  #makeRoom(length: number): void {
    const held = this.buffered
    if (!this.#isChunk && this.#end + length <= this.#buffer.length) return
    if (!this.#isChunk && held + length <= this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end)
    } else {
      let capacity = this.#isChunk ? FIRST_CAPACITY : this.#buffer.length
      while (capacity < held + length) capacity *= 2
      const grown = new Uint8Array(capacity)
      grown.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = grown
      this.#isChunk = false
    }
    this.#start = 0
    this.#end = held
  }
}

/** How a frame stream is read. */
export interface ReadFramesOptions {
  /** Longest body, in bytes; {@link MAX_FRAME_LENGTH} by default. */
  readonly maxLength?: number
}

/**
 * Frame bodies of a source of chunks (a socket, a stream), one at a time: the source is read on only when the frames
 * it gave were taken.
 * @throws DecodeError for a frame that is too long, and when the source ends inside a frame; whatever the source throws
 */
export async function* readFrames(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadFramesOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new FrameDecoder(options)
  for await (const chunk of source) {
    decoder.push(chunk)
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) yield frame
  }
  if (decoder.buffered > 0) throw new DecodeError('stream ends inside a frame', decoder.buffered)
}
