import type { Stream } from '@libp2p/interface'

interface Lingering {
  readonly stream: Stream
  readonly until: number
}

/**
 * Frees streams whose other side never closes: Go nodes leave their half of most streams open, and a connection has
 * room for so many only. Each is given a time in which to close in order and is reset afterwards; not at once, since a
 * reset makes the Go side drop what it has not read. One timer serves all.
 */
export class LingerQueue {
  readonly #time: number
  /** In order of their end. */
  readonly #queue: Lingering[] = []
  #head = 0
  #timer: NodeJS.Timeout | undefined

  /** @param time milliseconds */
  constructor(time: number) {
    this.#time = time
  }

  /** Streams that are waited for. */
  get size(): number {
    return this.#queue.length - this.#head
  }

  /** Closes our half and sees to it that the stream ends. */
  add(stream: Stream): void {
    stream.close().catch((error: Error) => stream.abort(error))
    if (stream.status !== 'open' && stream.status !== 'closing') return
    this.#queue.push({ stream, until: Date.now() + this.#time })
    this.#timer ??= setTimeout(this.#sweep, this.#time).unref()
  }

  /** Resets all that is left. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { stream } of this.#queue.splice(0).slice(this.#head)) stream.abort(new Error('host stops'))
    this.#head = 0
  }

  readonly #sweep = (): void => {
    const now = Date.now()
    for (let next = this.#queue[this.#head]; next && next.until <= now; next = this.#queue[this.#head]) {
      this.#head++
      next.stream.abort(new Error('other side did not close'))
    }
    if (this.#head > this.#queue.length / 2) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    const next = this.#queue[this.#head]
    this.#timer = next && setTimeout(this.#sweep, Math.max(10, next.until - now)).unref()
  }
}
