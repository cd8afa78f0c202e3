import { chmodSync } from 'node:fs'
import Libsql from 'libsql'

/** How far an own message is; `pending` before the agent has it. */
export type TalkState = 'pending' | 'waiting' | 'sent' | 'received' | 'failed'

/** One line of a conversation. */
export interface TalkMessage {
  /** Position in the history. */
  readonly id: number
  readonly mine: boolean
  /** The agent's id; absent of own messages that it does not have yet. */
  readonly msgId: number | null
  readonly text: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly state: TalkState
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY,
  mine INTEGER NOT NULL,
  msg_id INTEGER,
  text TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  UNIQUE (mine, msg_id)
) STRICT`

/** Of conversations by ledger address: the envelope of each own message. */
const ENVELOPES = `
CREATE TABLE IF NOT EXISTS envelopes (
  msg_id INTEGER PRIMARY KEY,
  id TEXT NOT NULL
) STRICT`

const COLUMNS = 'id, mine, msg_id AS msgId, text, at, state'

type Row = Omit<TalkMessage, 'mine'> & { readonly mine: number }

/** What was said, on disk. Every call is done when it returns. */
export class History {
  readonly #db: Libsql.Database

  /** Opens or makes the file. */
  constructor(path: string) {
    this.#db = new Libsql(path)
    chmodSync(path, 0o600)
    this.#db.exec('PRAGMA journal_mode=WAL')
    this.#db.exec('PRAGMA synchronous=FULL')
    this.#db.exec(SCHEMA)
    this.#db.exec(ENVELOPES)
  }

  /** The last messages, oldest first. */
  last(count: number): TalkMessage[] {
    return this.#all(`SELECT ${COLUMNS} FROM messages ORDER BY id DESC LIMIT ?`, count).reverse()
  }

  /** Own messages that the agent does not have yet, oldest first. */
  unsent(): TalkMessage[] {
    return this.#all(`SELECT ${COLUMNS} FROM messages WHERE mine = 1 AND msg_id IS NULL ORDER BY id`)
  }

  /** Own messages that the agent has and whose state may still change, oldest first. */
  underWay(): TalkMessage[] {
    const states = "state IN ('pending', 'waiting', 'sent')"
    return this.#all(`SELECT ${COLUMNS} FROM messages WHERE mine = 1 AND msg_id IS NOT NULL AND ${states} ORDER BY id`)
  }

  /** Keeps an own message before the agent has it. */
  addMine(text: string, at: number): TalkMessage {
    const sql = "INSERT INTO messages (mine, text, at, state) VALUES (1, ?, ?, 'pending')"
    const { lastInsertRowid } = this.#db.prepare(sql).run([text, at])
    return { id: Number(lastInsertRowid), mine: true, msgId: null, text, at, state: 'pending' }
  }

  /** The agent has taken an own message. */
  accepted(id: number, msgId: number): void {
    this.#db.prepare('UPDATE messages SET msg_id = ? WHERE id = ?').run([msgId, id])
  }

  /** An own message was taken as an envelope; gives the number that stands for it. */
  acceptedAs(id: number, envelopeId: string): number {
    const msgId = envelopeNumber(envelopeId)
    this.#db.prepare('INSERT OR REPLACE INTO envelopes (msg_id, id) VALUES (?, ?)').run([msgId, envelopeId])
    this.accepted(id, msgId)
    return msgId
  }

  /** The envelope of an own message; undefined when it was sent otherwise. */
  envelopeOf(msgId: number): string | undefined {
    return (this.#db.prepare('SELECT id FROM envelopes WHERE msg_id = ?').get([msgId]) as { id: string } | undefined)
      ?.id
  }

  /** Keeps a message of the peer; undefined when it was there already. */
  addTheirs(msgId: number, text: string, at: number): TalkMessage | undefined {
    const sql = "INSERT OR IGNORE INTO messages (mine, msg_id, text, at, state) VALUES (0, ?, ?, ?, 'received')"
    const { changes, lastInsertRowid } = this.#db.prepare(sql).run([msgId, text, at])
    return changes === 0 ? undefined : { id: Number(lastInsertRowid), mine: false, msgId, text, at, state: 'received' }
  }

  /** Keeps the state of an own message; its new form, or undefined when there is no such message. */
  setState(msgId: number, state: TalkState): TalkMessage | undefined {
    this.#db.prepare('UPDATE messages SET state = ? WHERE mine = 1 AND msg_id = ?').run([state, msgId])
    return this.#all(`SELECT ${COLUMNS} FROM messages WHERE mine = 1 AND msg_id = ?`, msgId)[0]
  }

  close(): void {
    this.#db.close()
  }

  #all(sql: string, ...parameters: number[]): TalkMessage[] {
    return (this.#db.prepare(sql).all(parameters) as Row[]).map((row) => ({ ...row, mine: row.mine === 1 }))
  }
}

/** A number for an envelope's id: as good as unique in one conversation. */
export function envelopeNumber(id: string): number {
  return Number.parseInt(id.slice(0, 12), 16)
}
