import type { Stream } from '@libp2p/interface'
import { type LengthPrefixedStream, lpStream } from '@libp2p/utils'
import { type CircuitMessage, decodeCircuitMessage, encodeCircuitMessage, MAX_CIRCUIT_MESSAGE } from './message.ts'

/** Bytes that may come behind a message before somebody reads them. */
const MAX_HELD = 64 * 1024

/**
 * The messages with which a circuit begins, each behind its length as an unsigned varint. What follows them on the
 * stream is the circuit's own and stays there.
 */
export class CircuitHandshake {
  readonly #frames: LengthPrefixedStream<Stream>

  constructor(stream: Stream) {
    this.#frames = lpStream(stream, { maxDataLength: MAX_CIRCUIT_MESSAGE, maxBufferSize: MAX_HELD })
  }

  /**
   * The next message's bytes.
   * @throws what ends the stream before a whole one, or when it is longer than {@link MAX_CIRCUIT_MESSAGE}; the
   *   signal's reason
   */
  async readBytes(signal: AbortSignal): Promise<Uint8Array> {
    return (await this.#frames.read({ signal })).subarray()
  }

  /**
   * The next message.
   * @throws DecodeError and what {@link readBytes} throws
   */
  async read(signal: AbortSignal): Promise<CircuitMessage> {
    return decodeCircuitMessage(await this.readBytes(signal))
  }

  /**
   * Sends bytes as a message.
   * @throws when the stream does not take them; the signal's reason
   */
  async writeBytes(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#frames.write(bytes, { signal })
  }

  /** Sends a message. Throws as {@link writeBytes}. */
  async write(message: CircuitMessage, signal: AbortSignal): Promise<void> {
    await this.writeBytes(encodeCircuitMessage(message), signal)
  }

  /** Ends the handshake: the stream, with all that has come behind the last message still to be read. */
  release(): Stream {
    return this.#frames.unwrap()
  }
}
