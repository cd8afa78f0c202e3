/** Bytes that are looked for under one name; finding one of the forms is finding it. */
export interface Needle {
  readonly name: string
  readonly forms: readonly Uint8Array[]
}

interface Piece {
  readonly name: string
  readonly bytes: Buffer
}

/** Shorter ones turn up in megabytes of random bytes, or in names of protocols, by chance. */
export const SHORTEST = 8
/** What is longer is looked for in pieces of this length, as frames may cut it in two. */
const PIECE = 32
/** Bytes of a piece by which it is found at first. */
const HEAD = 4

/** Looks for many texts at once in what passes, in one pass over the bytes. */
export class Search {
  readonly #pieces = new Map<number, Piece[]>()
  /** Which values the last two bytes of a head can have: most places are passed by this alone. */
  readonly #isHead = new Uint8Array(0x10000)

  constructor(needles: readonly Needle[]) {
    for (const { name, forms } of needles) {
      for (const form of forms) for (const bytes of piecesOf(Buffer.from(form))) this.#add({ name, bytes })
    }
  }

  /** Bytes of the end of what has passed without which a piece that is cut in two would be missed. */
  static readonly OVERLAP: number = PIECE - 1

  /** Adds the names of what stands in the bytes to `found`. */
  scan(bytes: Uint8Array, found: Set<string>): void {
    let head = 0
    for (let at = 0; at < bytes.length; at++) {
      head = ((head << 8) | (bytes[at] as number)) >>> 0
      if (this.#isHead[head & 0xffff] !== 1 || at < HEAD - 1) continue
      const start = at - (HEAD - 1)
      for (const { name, bytes: piece } of this.#pieces.get(head) ?? []) {
        if (piece.equals(bytes.subarray(start, start + piece.length))) found.add(name)
      }
    }
  }

  #add(piece: Piece): void {
    const head = piece.bytes.readUInt32BE(0)
    this.#isHead[head & 0xffff] = 1
    const others = this.#pieces.get(head)
    if (others) others.push(piece)
    else this.#pieces.set(head, [piece])
  }
}

/** Whole pieces; what is left over at the end says too little. */
function piecesOf(bytes: Buffer): Buffer[] {
  if (bytes.length < SHORTEST) return []
  if (bytes.length < PIECE) return [bytes]
  const count = Math.floor(bytes.length / PIECE)
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * PIECE, (i + 1) * PIECE))
}
