import type Database from 'libsql'
import { decodeAgentRecord, encodeAgentRecord } from '../../protocol/agent-record.ts'
import type { Registration, RegistrationKind } from '../store.ts'
import type { RegistrationQuery } from './operations.ts'
import { isStorable } from './stored-text.ts'

const COLUMNS = 'address, kind, issued_at, expires_at, record, attestation, proven_at'

type Tuple = [
  address: string,
  kind: string,
  issuedAt: number,
  expiresAt: number | null,
  record: Uint8Array,
  attestation: Uint8Array | null,
  provenAt: number | null,
]

/** Where agents are attached: one row an agent, its newest registration. */
export class RegistrationTable {
  readonly #database: Database.Database
  readonly #limit: number
  readonly #statements
  #count = 0

  /** @param limit rows at most; beyond it the one issued first goes */
  constructor(database: Database.Database, limit: number) {
    this.#database = database
    this.#limit = limit
    const rows = (sql: string) => database.prepare(sql).raw()
    this.#statements = {
      get: rows(`SELECT ${COLUMNS} FROM registrations WHERE address = ?`),
      put: database.prepare(`INSERT OR REPLACE INTO registrations (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`),
      delete: database.prepare('DELETE FROM registrations WHERE address = ? AND issued_at = ?'),
      evict: database.prepare(
        'DELETE FROM registrations WHERE address = (SELECT address FROM registrations ORDER BY issued_at LIMIT 1)',
      ),
      expire: database.prepare(
        `DELETE FROM registrations WHERE address IN
          (SELECT address FROM registrations WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
      ),
      list: rows(`SELECT ${COLUMNS} FROM registrations WHERE address > ? ORDER BY address LIMIT ?`),
      listKind: rows(`SELECT ${COLUMNS} FROM registrations WHERE address > ? AND kind = ? ORDER BY address LIMIT ?`),
      imported: rows('SELECT 1 FROM imports WHERE name = ?'),
      import: database.prepare('INSERT INTO imports (name) VALUES (?)'),
    }
    this.recount()
  }

  get count(): number {
    return this.#count
  }

  /** Counts again, after a transaction was undone. */
  recount(): void {
    const [count] = this.#database.prepare('SELECT count(*) FROM registrations').raw().get([]) as [number]
    this.#count = count
  }

  put({ kind, record, issuedAt, expiresAt, attestation, provenAt }: Registration): boolean {
    const { address } = record
    if (!isStorable(address)) return false
    const present = this.#statements.get.get([address]) as Tuple | undefined
    if (present && present[2] > issuedAt) return false
    const bytes = encodeAgentRecord(record)
    // Where the agent is now changes nothing about what it showed when it was here.
    const proven = provenAt ?? (kind === 'remote' ? present?.[6] : undefined) ?? null
    const rest = [expiresAt ?? null, bytes, attestation ?? null, proven]
    this.#statements.put.run([address, kind, issuedAt, ...rest])
    if (!present) this.#count++
    while (this.#count > this.#limit) this.#count -= this.#statements.evict.run([]).changes
    return true
  }

  get(address: string): Registration | undefined {
    if (!isStorable(address)) return undefined
    const tuple = this.#statements.get.get([address]) as Tuple | undefined
    return tuple && toRegistration(tuple)
  }

  delete(address: string, issuedAt: number): boolean {
    if (!isStorable(address)) return false
    const { changes } = this.#statements.delete.run([address, issuedAt])
    this.#count -= changes
    return changes > 0
  }

  list({ kind, afterAddress, limit }: RegistrationQuery): Registration[] {
    const { list, listKind } = this.#statements
    const tuples = kind === undefined ? list.all([afterAddress, limit]) : listKind.all([afterAddress, kind, limit])
    return (tuples as Tuple[]).map(toRegistration)
  }

  import(name: string, registrations: readonly Registration[]): number | undefined {
    if (this.wasImported(name)) return undefined
    this.#statements.import.run([name])
    return registrations.filter((registration) => this.put(registration)).length
  }

  wasImported(name: string): boolean {
    return this.#statements.imported.get([name]) !== undefined
  }

  expire(now: number, limit: number): void {
    this.#count -= this.#statements.expire.run([now, limit]).changes
  }
}

function toRegistration([, kind, issuedAt, expiresAt, record, attestation, provenAt]: Tuple): Registration {
  return {
    kind: kind as RegistrationKind,
    record: decodeAgentRecord(record),
    issuedAt,
    ...(expiresAt !== null && { expiresAt }),
    ...(attestation && { attestation }),
    ...(provenAt !== null && { provenAt }),
  }
}
