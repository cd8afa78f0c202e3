import { Duplex } from 'node:stream'
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { pauseReading, resumeReading } from '../streams/reading.ts'

/**
 * A libp2p stream as a Node stream, so that node:tls can run over it. Reads pause the stream when nobody takes the
 * bytes; writes wait while the stream is full.
 */
export class StreamDuplex extends Duplex {
  readonly #stream: MessageStream
  #waiting: ((error?: Error | null) => void) | undefined

  constructor(stream: MessageStream) {
    super({ decodeStrings: true })
    this.#stream = stream
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('drain', this.#onDrain)
    stream.addEventListener('end', this.#onEnd)
    stream.addEventListener('close', this.#onClose)
  }

  override _read(): void {
    resumeReading(this.#stream)
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(chunk, done)
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this.#send(new Uint8ArrayList(...chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.close().then(
      () => done(),
      (error: Error) => done(error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const stream = this.#stream
    stream.removeEventListener('message', this.#onMessage)
    stream.removeEventListener('drain', this.#onDrain)
    stream.removeEventListener('end', this.#onEnd)
    stream.removeEventListener('close', this.#onClose)
    this.#waiting = undefined
    done(error)
  }

  #send(data: Uint8Array | Uint8ArrayList, done: (error?: Error | null) => void): void {
    try {
      if (this.#stream.send(data)) done()
      else this.#waiting = done
    } catch (error) {
      done(error as Error)
    }
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    let wanted = true
    for (const chunk of data instanceof Uint8Array ? [data] : data) wanted = this.push(chunk) && wanted
    if (!wanted) pauseReading(this.#stream)
  }

  readonly #onDrain = (): void => {
    const done = this.#waiting
    this.#waiting = undefined
    done?.()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    if (error) this.destroy(error)
    // What is held back is still to be read; `end` comes after it.
    else if (this.#stream.readBufferLength === 0) this.push(null)
  }
}
