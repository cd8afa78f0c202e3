/** Repeatable numbers from a seed (mulberry32): a failing run can be run again. */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * bound)
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.below(256)
    return bytes
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0]
  }
}

/** Bytes that formats give a meaning: ends of number ranges, digits and marks of Maybe, bool and text forms. */
const TELLING = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x20, 0x23, 0x30, 0x31, 0x3d, 0x40, 0x25, 0x2f, 0x41, 0x46, 0x54,
] as const
const MAX_ARBITRARY = 300

/** The next input: sometimes arbitrary bytes, mostly a valid sample with one to four changes. */
export function nextInput(random: SeededRandom, samples: readonly Uint8Array[]): Uint8Array {
  const [first, ...rest] = samples
  if (first === undefined || random.below(5) === 0) return random.bytes(random.below(MAX_ARBITRARY))
  let bytes = random.pick([first, ...rest])
  const changes = 1 + random.below(4)
  for (let i = 0; i < changes; i++) bytes = change(random, bytes, [first, ...rest])
  return bytes
}

function change(random: SeededRandom, bytes: Uint8Array, samples: readonly [Uint8Array, ...Uint8Array[]]): Uint8Array {
  const at = random.below(bytes.length + 1)
  const length = 1 + random.below(8)
  switch (random.below(7)) {
    case 0:
      return replaced(bytes, at, (old) => old ^ (1 << random.below(8)))
    case 1:
      return replaced(bytes, at, () => random.pick(TELLING))
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)])
    case 4:
      return bytes.subarray(0, at)
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - length))])
    default: {
      const other = random.pick(samples)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
    }
  }
}

/** A copy with one byte replaced; the same bytes when `at` is their end. */
function replaced(bytes: Uint8Array, at: number, value: (old: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const old = copy[at]
  if (old !== undefined) copy[at] = value(old)
  return copy
}
