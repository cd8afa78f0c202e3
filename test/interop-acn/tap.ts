/** Texts of `python/exchange.py`: the names of the pair, and a number that no other has. */
const TEXT = /([a-z][a-zA-Z0-9 ]*) to ([a-z][a-zA-Z0-9 ]*), [\w-]+\.\d+ /g
/** Longer than such a text. */
const OVERLAP = 120

/** Looks for texts of the Python agents in bytes that pass, also in those that are cut in two. */
export class Tap {
  /** Pairs whose texts passed in plain, as `from to to`, and how often. */
  readonly seen = new Map<string, number>()
  /** Bytes that were looked at. */
  bytes = 0
  readonly #tails = new Map<string, string>()

  /** @param stream name of the stream whose next bytes these are */
  look(stream: string, bytes: Uint8Array): void {
    this.bytes += bytes.length
    const text = (this.#tails.get(stream) ?? '') + Buffer.from(bytes).toString('latin1')
    let rest = 0
    for (const match of text.matchAll(TEXT)) {
      const [whole, from, to] = match
      const pair = `${from} to ${to}`
      this.seen.set(pair, (this.seen.get(pair) ?? 0) + 1)
      rest = match.index + whole.length
    }
    this.#tails.set(stream, text.slice(Math.max(rest, text.length - OVERLAP)))
  }

  /** @returns those of the pairs whose texts passed in plain */
  of(pairs: readonly string[]): string[] {
    return pairs.filter((pair) => this.seen.has(pair))
  }
}
