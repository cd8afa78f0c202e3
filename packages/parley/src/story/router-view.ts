import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64url } from '@parley/core/encoding'
import type { RouterInspection } from '@parley/smp/router'

const SHORT = 12

function short(bytes: Uint8Array): string {
  return `${toBase64url(bytes).slice(0, SHORT)}…`
}

function clock(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(11, 19)
}

/** Everything the router knows, as lines for people: its queues from the database, its connections from memory. */
export function routerView({ queues, connections }: RouterInspection): string[] {
  return [
    ...connections.map(
      (connection) =>
        `connection from ${connection.remoteAddress} since ${clock(connection.connectedAt)}, SMP version ` +
        `${connection.version}, ${connection.subscriptions} queue(s) subscribed`,
    ),
    ...queues.flatMap((queue) => [
      `queue: recipient id ${short(queue.rcvId)}, sender id ${short(queue.sndId)}, ${queue.status}, ` +
        `recipient's key ${short(queue.rcvKeys[0]?.raw ?? new Uint8Array())}, ` +
        `sender's key ${queue.sndKey ? short(queue.sndKey.raw) : 'none'}`,
      queue.messages.length === 0
        ? '  nothing waits in it'
        : `  waiting: ${queue.messages.map(({ size, timestamp }) => `${size} bytes from ${clock(timestamp * 1000)}`).join(', ')}`,
    ]),
  ]
}

/** What a search of the router's files found. */
export interface SearchResult {
  readonly bytes: number
  readonly files: number
  /** Lines that stand in a file as they were written. */
  readonly found: readonly string[]
  /** Lines too short to tell apart from chance. */
  readonly tooShort: number
  /** True when the same search finds a queue's id, which must be there. */
  readonly findsKnown: boolean
}

/** Shorter texts turn up in megabytes of random bytes by chance. */
const SHORTEST = 5

/** Looks for lines of plaintext in every byte of every file of the router, and for a queue id to prove the search. */
export function searchFiles(folder: string, lines: readonly string[], known: Uint8Array): SearchResult {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const contents = files.map((file) => readFileSync(join(file.parentPath, file.name)))
  const isThere = (bytes: Buffer) => contents.some((content) => content.includes(bytes))
  const searched = lines.filter((line) => Buffer.byteLength(line) >= SHORTEST)
  return {
    bytes: contents.reduce((sum, content) => sum + content.length, 0),
    files: files.length,
    found: searched.filter((line) => isThere(Buffer.from(line))),
    tooShort: lines.length - searched.length,
    findsKnown: isThere(Buffer.from(known)),
  }
}
