import { concatBytes, DecodeError } from '@parley/core/encoding'
import { MAX_DHT_MESSAGE } from './message.ts'

/** A length of at most {@link MAX_DHT_MESSAGE} takes three bytes. */
const MAX_LENGTH_BYTES = 3

/** A body after its length as an unsigned varint, as DHT streams carry it. */
export function encodeVarintFrame(body: Uint8Array): Uint8Array {
  const length: number[] = []
  let left = body.length
  for (; left >= 0x80; left >>>= 7) length.push((left & 0x7f) | 0x80)
  return concatBytes(Uint8Array.of(...length, left), body)
}

/** Cuts a stream of bytes into the bodies of such frames. Holds at most one unfinished frame and the last chunk. */
export class VarintFrameDecoder {
  #held: Uint8Array = new Uint8Array()

  /** Adds bytes as they were read. */
  push(chunk: Uint8Array): void {
    this.#held = this.#held.length === 0 ? chunk : concatBytes(this.#held, chunk)
  }

  /**
   * The next whole body; undefined when more bytes are needed.
   * @throws DecodeError when the next frame is longer than {@link MAX_DHT_MESSAGE}
   */
  next(): Uint8Array | undefined {
    let length = 0
    for (let i = 0; i < this.#held.length; i++) {
      if (i === MAX_LENGTH_BYTES) throw new DecodeError('DHT message too long', i)
      const byte = this.#held[i] ?? 0
      length |= (byte & 0x7f) << (7 * i)
      if ((byte & 0x80) !== 0) continue
      if (length > MAX_DHT_MESSAGE) throw new DecodeError('DHT message too long', i)
      const end = i + 1 + length
      if (this.#held.length < end) return undefined
      const body = this.#held.subarray(i + 1, end)
      this.#held = this.#held.subarray(end)
      return body
    }
    return undefined
  }
}
