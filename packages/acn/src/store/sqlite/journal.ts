import type Database from 'libsql'
import type { NotDelivered, NotDeliveredReason, StoredNotDelivered, StoreLimits, TraceEvent } from '../store.ts'
import type { FullPage, NotDeliveredQuery } from './operations.ts'
import { isStorable, MAX_TEXT, storedText } from './stored-text.ts'

const MAX_EVENT = 64
/** Steps of one envelope that are read at most. */
const MAX_STEPS = 1000
/** How many additions pass between two removals of what is too old. */
const PRUNE_EVERY = 256

const COLUMNS = 'id, receiver, sender, reason, status, attempts, size, received_at, at'

type Tuple = [
  number: number,
  id: string,
  receiver: string,
  sender: string,
  reason: string,
  status: number | null,
  attempts: number,
  size: number,
  receivedAt: number,
  at: number,
]

type StepTuple = [
  id: string,
  at: number,
  event: string,
  detail: string | null,
  sender: string | null,
  receiver: string | null,
]

/** What happened: envelopes that were given up, steps on the way, ids that were seen. The oldest go beyond a number. */
export class Journal {
  readonly #limits: StoreLimits
  readonly #statements

  constructor(database: Database.Database, limits: StoreLimits) {
    this.#limits = limits
    const rows = (sql: string) => database.prepare(sql).raw()
    const list = (where: string) =>
      rows(`SELECT number, ${COLUMNS} FROM not_delivered WHERE number > ? ${where} ORDER BY number LIMIT ?`)
    this.#statements = {
      addNotDelivered: database.prepare(`INSERT INTO not_delivered (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
      // Only those that have an entrance here can be told.
      toReport: database.prepare(`UPDATE not_delivered SET to_report = 1 WHERE number = ? AND EXISTS (
        SELECT 1 FROM registrations WHERE address = sender AND kind IN ('direct', 'delegate', 'mailbox'))`),
      tooManyToReport: database.prepare(`UPDATE not_delivered SET to_report = 0 WHERE to_report = 1 AND number IN (
        SELECT number FROM not_delivered WHERE to_report = 1 AND sender = ? ORDER BY number DESC LIMIT -1 OFFSET ?)`),
      unreported: rows(`SELECT number, ${COLUMNS} FROM not_delivered WHERE to_report = 1 AND sender = ? AND number > ?
        ORDER BY number LIMIT ?`),
      reported: database.prepare('UPDATE not_delivered SET to_report = 0 WHERE number = ?'),
      pruneNotDelivered: database.prepare('DELETE FROM not_delivered WHERE number <= ?'),
      listAll: list(''),
      listSender: list('AND sender = ?'),
      listId: list('AND id = ?'),
      countNotDelivered: rows('SELECT count(*) FROM not_delivered'),
      addTrace: database.prepare(
        'INSERT INTO trace (id, at, event, detail, sender, receiver) VALUES (?, ?, ?, ?, ?, ?)',
      ),
      pruneTrace: database.prepare('DELETE FROM trace WHERE number <= ?'),
      trace: rows('SELECT id, at, event, detail, sender, receiver FROM trace WHERE id = ? ORDER BY number LIMIT ?'),
      tracedOf: rows(`SELECT id FROM (
          SELECT * FROM (SELECT id, number FROM trace WHERE sender = ?1 ORDER BY number DESC LIMIT ?2)
          UNION
          SELECT * FROM (SELECT id, number FROM trace WHERE receiver = ?1 ORDER BY number DESC LIMIT ?2)
        ) GROUP BY id ORDER BY max(number) DESC LIMIT ?2`),
      see: database.prepare('INSERT OR IGNORE INTO seen (scope, id) VALUES (?, ?)'),
      pruneSeen: database.prepare('DELETE FROM seen WHERE number <= ?'),
      forgetSeen: database.prepare('DELETE FROM seen WHERE scope = ? AND id = ?'),
      wasSeen: rows('SELECT 1 FROM seen WHERE scope = ? AND id = ?'),
    }
  }

  addNotDelivered(entry: NotDelivered): StoredNotDelivered {
    const kept = { ...entry, id: storedText(entry.id), to: storedText(entry.to), sender: storedText(entry.sender) }
    const { id, to, sender, reason, status, attempts, size, receivedAt, at } = kept
    const { addNotDelivered, pruneNotDelivered } = this.#statements
    const added = addNotDelivered.run([id, to, sender, reason, status ?? null, attempts, size, receivedAt, at])
    return { ...kept, number: prune(added, pruneNotDelivered, this.#limits.maxNotDelivered) }
  }

  /** As {@link addNotDelivered}, for an envelope whose sender has heard SUCCESS and is to be told. */
  addToReport(entry: NotDelivered): StoredNotDelivered {
    const added = this.addNotDelivered(entry)
    const { toReport, tooManyToReport } = this.#statements
    if (toReport.run([added.number]).changes > 0) tooManyToReport.run([added.sender, this.#limits.maxUnreported])
    return added
  }

  unreported(sender: string, { after, limit }: FullPage): StoredNotDelivered[] {
    return (this.#statements.unreported.all([storedText(sender), after, limit]) as Tuple[]).map(toNotDelivered)
  }

  reported(number: number): void {
    this.#statements.reported.run([number])
  }

  listNotDelivered({ after, limit, sender, id }: NotDeliveredQuery): StoredNotDelivered[] {
    const { listAll, listSender, listId } = this.#statements
    let tuples: unknown[]
    if (id !== undefined) {
      tuples = listId.all([after, id, limit])
      if (sender !== undefined) tuples = (tuples as Tuple[]).filter((tuple) => tuple[3] === sender)
    } else if (sender !== undefined) tuples = listSender.all([after, sender, limit])
    else tuples = listAll.all([after, limit])
    return (tuples as Tuple[]).map(toNotDelivered)
  }

  countNotDelivered(): number {
    const [count] = this.#statements.countNotDelivered.get([]) as [number]
    return count
  }

  addTrace({ id, at, event, detail, sender, to }: TraceEvent): void {
    const [kept, from, receiver] = [detail, sender, to].map((text) =>
      text === undefined ? null : storedText(text, MAX_TEXT),
    )
    const step = [storedText(id), at, storedText(event, MAX_EVENT), kept, from, receiver]
    const added = this.#statements.addTrace.run(step)
    prune(added, this.#statements.pruneTrace, this.#limits.maxTraceEvents)
  }

  trace(id: string): TraceEvent[] {
    return (this.#statements.trace.all([storedText(id), MAX_STEPS]) as StepTuple[]).map(toStep)
  }

  /** Ids of envelopes from or for an address, the newest first. */
  tracedOf(address: string, limit: number): string[] {
    return (this.#statements.tracedOf.all([storedText(address), limit]) as [string][]).map(([id]) => id)
  }

  wasSeen(scope: string, id: string): boolean {
    return this.#statements.wasSeen.get([scope, id]) !== undefined
  }

  forgetSeen(scope: string, id: string): void {
    this.#statements.forgetSeen.run([scope, id])
  }

  /** False when it was seen before. */
  markSeen(scope: string, id: string): boolean {
    // Two texts must not become one: what cannot be kept as it is counts as new each time.
    if (!isStorable(scope) || !isStorable(id)) return true
    const added = this.#statements.see.run([scope, id])
    if (added.changes === 0) return false
    prune(added, this.#statements.pruneSeen, this.#limits.maxSeen)
    return true
  }
}

/** Removes what is too old from time to time; the number of what was added. */
function prune(added: Database.RunResult, statement: Database.Statement, limit: number): number {
  const number = Number(added.lastInsertRowid)
  if (number % PRUNE_EVERY === 0 || limit < PRUNE_EVERY) statement.run([number - limit])
  return number
}

function toStep([id, at, event, detail, sender, to]: StepTuple): TraceEvent {
  return {
    id,
    at,
    event,
    ...(detail !== null && { detail }),
    ...(sender !== null && { sender }),
    ...(to !== null && { to }),
  }
}

function toNotDelivered(tuple: Tuple): StoredNotDelivered {
  const [number, id, to, sender, reason, status, attempts, size, receivedAt, at] = tuple
  return {
    number,
    id,
    to,
    sender,
    reason: reason as NotDeliveredReason,
    ...(status !== null && { status }),
    attempts,
    size,
    receivedAt,
    at,
  }
}
