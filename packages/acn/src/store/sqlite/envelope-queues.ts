import type Database from 'libsql'
import { decodeAgentRecord, encodeAgentRecord } from '../../protocol/agent-record.ts'
import type {
  DeliveryState,
  EnqueueOutcome,
  EnqueueRefusal,
  EnvelopeNumber,
  NewEnvelope,
  PairSummary,
  PendingEnvelope,
  StoreLimits,
} from '../store.ts'
import type { FullPage } from './operations.ts'
import { isStorable } from './stored-text.ts'

/** Bytes of envelopes that one answer holds, unless its first alone is larger. */
const PAGE_BYTES = 8 * 1024 * 1024

const COLUMNS = `agent, pair, id, source, received_at, expires_at, attempts, in_flight, next_attempt_at, last_status,
  size, record, bytes`

type Tuple = [
  agent: number,
  pair: number,
  id: string,
  source: string,
  receivedAt: number,
  expiresAt: number,
  attempts: number,
  inFlight: number,
  nextAttemptAt: number,
  lastStatus: number | null,
  size: number,
  record: Uint8Array | null,
  bytes: Uint8Array,
  to: string,
  sender: string,
]

type Totals = [number: number, count: number, bytes: number]

/** Envelopes that wait, in the order of their numbers, for each agent and for each pair of sender and agent. */
export class EnvelopeQueues {
  readonly #database: Database.Database
  readonly #limits: StoreLimits
  readonly #statements
  #count = 0
  #bytes = 0

  constructor(database: Database.Database, limits: StoreLimits) {
    this.#database = database
    this.#limits = limits
    this.#statements = prepare(database)
    this.recount()
  }

  /** Envelopes in all. */
  get count(): number {
    return this.#count
  }

  /** Bytes of envelopes in all. */
  get bytes(): number {
    return this.#bytes
  }

  /** Counts again, after a transaction was undone. */
  recount(): void {
    const sums = 'SELECT coalesce(sum(count), 0), coalesce(sum(bytes), 0) FROM agents'
    const [count, bytes] = this.#database.prepare(sums).raw().get([]) as [number, number]
    this.#count = count
    this.#bytes = bytes
  }

  enqueue(envelope: NewEnvelope): EnqueueOutcome {
    const { id, to, sender, source, receivedAt, bytes, record } = envelope
    if (![id, to, sender, source].every((text) => isStorable(text))) return { accepted: false, reason: 'invalid' }
    const { findAgent, findPair, findId, addAgent, addPair, insert } = this.#statements
    const agent = findAgent.get([to]) as Totals | undefined
    const pair = agent && (findPair.get([agent[0], sender]) as Totals | undefined)
    const refusal =
      pair && findId.get([pair[0], id]) !== undefined ? 'duplicate' : this.#fullAt(agent, pair, bytes.length)
    if (refusal) return { accepted: false, reason: refusal }

    const agentNumber = agent?.[0] ?? Number(addAgent.run([to]).lastInsertRowid)
    const pairNumber = pair?.[0] ?? Number(addPair.run([agentNumber, sender]).lastInsertRowid)
    const expiresAt = envelope.expiresAt ?? receivedAt + this.#limits.maxAge
    const recordBytes = record ? encodeAgentRecord(record) : null
    const row = [agentNumber, pairNumber, id, source, receivedAt, expiresAt, bytes.length, recordBytes, bytes]
    const { lastInsertRowid } = insert.run(row)
    this.#adjust(agentNumber, pairNumber, 1, bytes.length)
    return { accepted: true, number: Number(lastInsertRowid) }
  }

  #fullAt(agent: Totals | undefined, pair: Totals | undefined, size: number): EnqueueRefusal | undefined {
    const { maxPerPair, maxPerAgent, maxBytesPerAgent, maxEnvelopes, maxBytes } = this.#limits
    const [, ofPair] = pair ?? [0, 0, 0]
    const [, ofAgent, bytesOfAgent] = agent ?? [0, 0, 0]
    if (ofPair >= maxPerPair) return 'pair-full'
    if (ofAgent >= maxPerAgent || bytesOfAgent + size > maxBytesPerAgent) return 'agent-full'
    if (this.#count >= maxEnvelopes || this.#bytes + size > maxBytes) return 'store-full'
    return undefined
  }

  pending(to: string, page: FullPage): PendingEnvelope[] {
    const agent = isStorable(to) && (this.#statements.findAgent.get([to]) as Totals | undefined)
    return agent ? this.#read(this.#statements.listAgent, agent[0], page) : []
  }

  pendingOfPair(to: string, sender: string, page: FullPage): PendingEnvelope[] {
    const pair = this.#findPair(to, sender)
    return pair ? this.#read(this.#statements.listPair, pair[0], page) : []
  }

  /** Gives new numbers, the highest ones, to envelopes of a pair that do not come from `source`; in their order. */
  putBehind(to: string, sender: string, source: string): void {
    const { listOthers, lastNumber, setNumber, setLastNumber } = this.#statements
    const pair = this.#findPair(to, sender)
    if (!pair) return
    const numbers = listOthers.all([pair[0], source]) as [number][]
    if (numbers.length === 0) return
    let [last] = lastNumber.get([]) as [number]
    for (const [number] of numbers) setNumber.run([++last, number])
    setLastNumber.run([last])
  }

  #findPair(to: string, sender: string): Totals | undefined {
    if (!isStorable(to) || !isStorable(sender)) return undefined
    const agent = this.#statements.findAgent.get([to]) as Totals | undefined
    return agent && (this.#statements.findPair.get([agent[0], sender]) as Totals | undefined)
  }

  /** The envelopes of a queue, as many as fit into one answer. */
  #read(list: Database.Statement, queue: number, { after, limit }: FullPage): PendingEnvelope[] {
    const envelopes: PendingEnvelope[] = []
    let bytes = 0
    for (const [number, size] of list.all([queue, after, limit]) as [number, number][]) {
      bytes += size
      if (envelopes.length > 0 && bytes > PAGE_BYTES) break
      const envelope = this.get(number)
      if (envelope) envelopes.push(envelope)
    }
    return envelopes
  }

  get(number: EnvelopeNumber): PendingEnvelope | undefined {
    const tuple = this.#statements.get.get([number]) as Tuple | undefined
    return tuple && toPending(number, tuple)
  }

  listPairs({ after, limit }: FullPage): (PairSummary & { readonly number: number })[] {
    const tuples = this.#statements.listPairs.all([after, limit]) as [number, string, string, number, number, number][]
    return tuples.map(([number, to, sender, count, bytes, first]) => ({ number, to, sender, count, bytes, first }))
  }

  setState(number: EnvelopeNumber, { attempts, inFlight, nextAttemptAt, lastStatus }: DeliveryState): void {
    this.#statements.setState.run([attempts, inFlight ? 1 : 0, nextAttemptAt, lastStatus ?? null, number])
  }

  /** False when it is gone. */
  remove(number: EnvelopeNumber): boolean {
    const place = this.#statements.place.get([number]) as [number, number, number] | undefined
    if (!place) return false
    const [agent, pair, size] = place
    this.#statements.delete.run([number])
    this.#adjust(agent, pair, -1, -size)
    return true
  }

  /** Numbers of envelopes whose time is over, the longest over first. */
  expired(now: number, limit: number): EnvelopeNumber[] {
    const tuples = this.#statements.expired.all([now, limit]) as [number][]
    return tuples.map(([number]) => number)
  }

  #adjust(agent: number, pair: number, count: number, bytes: number): void {
    const { adjustAgent, adjustPair, dropAgent, dropPair } = this.#statements
    adjustAgent.run([count, bytes, agent])
    adjustPair.run([count, bytes, pair])
    if (count < 0) {
      dropAgent.run([agent])
      dropPair.run([pair])
    }
    this.#count += count
    this.#bytes += bytes
  }
}

function prepare(database: Database.Database) {
  const statement = (sql: string) => database.prepare(sql)
  const rows = (sql: string) => database.prepare(sql).raw()
  return {
    findAgent: rows('SELECT number, count, bytes FROM agents WHERE address = ?'),
    findPair: rows('SELECT number, count, bytes FROM pairs WHERE agent = ? AND sender = ?'),
    findId: rows('SELECT 1 FROM envelopes WHERE pair = ? AND id = ?'),
    addAgent: statement('INSERT INTO agents (address, count, bytes) VALUES (?, 0, 0)'),
    addPair: statement('INSERT INTO pairs (agent, sender, count, bytes) VALUES (?, ?, 0, 0)'),
    insert: statement(`INSERT INTO envelopes (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, NULL, ?, ?, ?)`),
    adjustAgent: statement('UPDATE agents SET count = count + ?, bytes = bytes + ? WHERE number = ?'),
    adjustPair: statement('UPDATE pairs SET count = count + ?, bytes = bytes + ? WHERE number = ?'),
    dropAgent: statement('DELETE FROM agents WHERE number = ? AND count = 0'),
    dropPair: statement('DELETE FROM pairs WHERE number = ? AND count = 0'),
    listAgent: rows('SELECT number, size FROM envelopes WHERE agent = ? AND number > ? ORDER BY number LIMIT ?'),
    listPair: rows('SELECT number, size FROM envelopes WHERE pair = ? AND number > ? ORDER BY number LIMIT ?'),
    get: rows(`SELECT ${COLUMNS}, (SELECT address FROM agents WHERE agents.number = agent),
      (SELECT sender FROM pairs WHERE pairs.number = pair) FROM envelopes WHERE number = ?`),
    listPairs: rows(`SELECT pairs.number, agents.address, sender, pairs.count, pairs.bytes,
      (SELECT min(number) FROM envelopes WHERE pair = pairs.number)
      FROM pairs JOIN agents ON agents.number = pairs.agent WHERE pairs.number > ? ORDER BY pairs.number LIMIT ?`),
    listOthers: rows('SELECT number FROM envelopes WHERE pair = ? AND source <> ? ORDER BY number'),
    // Numbers are never used twice, those that were given this way too.
    lastNumber: rows("SELECT seq FROM sqlite_sequence WHERE name = 'envelopes'"),
    setNumber: statement('UPDATE envelopes SET number = ? WHERE number = ?'),
    setLastNumber: statement("UPDATE sqlite_sequence SET seq = ? WHERE name = 'envelopes'"),
    setState: statement(
      'UPDATE envelopes SET attempts = ?, in_flight = ?, next_attempt_at = ?, last_status = ? WHERE number = ?',
    ),
    place: rows('SELECT agent, pair, size FROM envelopes WHERE number = ?'),
    delete: statement('DELETE FROM envelopes WHERE number = ?'),
    expired: rows('SELECT number FROM envelopes WHERE expires_at <= ? ORDER BY expires_at LIMIT ?'),
  }
}

function toPending(number: EnvelopeNumber, tuple: Tuple): PendingEnvelope {
  const [, , id, source, receivedAt, expiresAt, attempts, inFlight, nextAttemptAt, lastStatus] = tuple
  const [, , , , , , , , , , , record, bytes, to, sender] = tuple
  return {
    number,
    id,
    to,
    sender,
    bytes,
    ...(record && { record: decodeAgentRecord(record) }),
    source,
    receivedAt,
    expiresAt,
    attempts,
    inFlight: inFlight === 1,
    nextAttemptAt,
    ...(lastStatus !== null && { lastStatus }),
  }
}
