import { readFileSync } from 'node:fs'
import { MAX_ENVELOPE_LENGTH } from '@parley/acn/entrance'

/** What is said, in the three parts of the story. */
export interface StoryLines {
  /** From Alice, while Bob is there. */
  readonly fromAlice: readonly string[]
  /** From Bob. */
  readonly fromBob: readonly string[]
  /** From Alice, while Bob is away. */
  readonly whileAway: readonly string[]
}

const BUILT_IN: StoryLines = {
  fromAlice: ['Hello Bob, this line is for your eyes only.', 'All I knew of you was your ledger address.'],
  fromBob: ['Hello Alice! I got both lines, in order.', 'I am going away now. Write to me all the same.'],
  whileAway: [
    'You are away, and I am writing all the same.',
    'Your router keeps this for you, sealed.',
    'When you are back you will read it, and I will know that you did.',
  ],
}

/** Messages that may wait for Bob: fewer than a queue of a router holds. */
const MAX_WAITING = 100

/** Room for what an envelope says besides its text: addresses, protocol, reference of the dialogue. */
const ENVELOPE_OVERHEAD = 1024
/** Bytes of text that one envelope holds; those that are longer than one message go in pieces. */
const MAX_LINE = MAX_ENVELOPE_LENGTH - ENVELOPE_OVERHEAD

/**
 * The built-in lines, or those of a file: a third for each part, and never more waiting than a queue holds.
 * @throws Error for a file that cannot be read, is empty, or has a line that no message holds
 */
export function storyLines(file: string | undefined): StoryLines {
  if (file === undefined) return BUILT_IN
  const lines = readFileSync(file, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line !== '')
  if (lines.length === 0) throw new Error(`${file} has no lines`)
  const tooLong = lines.find((line) => Buffer.byteLength(line) > MAX_LINE)
  if (tooLong !== undefined) {
    throw new Error(`“${tooLong.slice(0, 20)}…” has ${Buffer.byteLength(tooLong)} bytes: a message holds ${MAX_LINE}`)
  }
  const waiting = Math.min(MAX_WAITING, Math.ceil(lines.length / 3))
  const there = lines.slice(0, lines.length - waiting)
  const half = Math.ceil(there.length / 2)
  return { fromAlice: there.slice(0, half), fromBob: there.slice(half), whileAway: lines.slice(there.length) }
}
