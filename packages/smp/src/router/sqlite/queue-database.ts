import { equalBytes } from '@parley/core/encoding'
import Database from 'libsql'
import type { ExpiryStep, MessageNumber, MessagePosition, QueueNumber } from '../store.ts'
import type {
  InspectedRow,
  LinkRow,
  LoadedRow,
  MessageRow,
  Operation,
  OperationName,
  Operations,
  Outcome,
  QueueRow,
} from './operations.ts'
import { READ_ONLY } from './operations.ts'
import { MIGRATIONS } from './schema.ts'

const QUEUE_COLUMNS = `number, rcv_id, snd_id, rcv_keys, rcv_dh_secret, snd_key, mode, status, notice, updated_day,
  (SELECT link_id FROM links WHERE links.queue = queues.number)`

const NO_LINK = new Uint8Array()

type QueueTuple = [
  number: number,
  rcvId: Uint8Array,
  sndId: Uint8Array,
  rcvKeys: Uint8Array,
  rcvDhSecret: Uint8Array,
  sndKey: Uint8Array,
  mode: string,
  status: string,
  notice: number | null,
  updatedDay: number,
  linkId: Uint8Array | null,
]

type Handlers = { [N in OperationName]: (ask: Operations[N]['ask']) => Operations[N]['answer'] }

/** Runs statements on the database file; everything here blocks, so it belongs in a thread of its own. */
export class QueueDatabase {
  readonly #database: Database.Database
  readonly #handlers: Handlers
  #nextQueueNumber: QueueNumber
  readonly nextMessageNumber: MessageNumber

  /** Opens or makes the file and brings its schema up to date. */
  constructor(file: string) {
    const database = new Database(file, { timeout: 5000 })
    this.#database = database
    // A message of 16 KB takes two pages, with the least writing of all sizes; takes effect in a new file only.
    database.exec('PRAGMA page_size = 8192')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    // KiB: enough for the messages that come and go within a second, which are not read back from the file then.
    database.exec('PRAGMA cache_size = -16384')
    migrate(database)
    this.#nextQueueNumber = highest(database, 'queues') + 1
    this.nextMessageNumber = highest(database, 'messages') + 1
    this.#handlers = this.#prepareHandlers()
  }

  /**
   * Does all operations in order in one transaction, so that one fsync serves them all. When that fails, each is
   * tried alone: what cannot be done must not take others with it.
   */
  execute(operations: readonly Operation[]): Outcome[] {
    if (operations.every(({ name }) => READ_ONLY.has(name)))
      return operations.map((operation) => this.#attempt(operation))
    try {
      return this.#transaction(() => operations.map((operation) => ({ answer: this.#run(operation) })))
    } catch {
      return operations.map((operation) => {
        try {
          return this.#transaction(() => ({ answer: this.#run(operation) }))
        } catch (error) {
          return failure(error)
        }
      })
    }
  }

  close(): void {
    this.#database.close()
  }

  #attempt(operation: Operation): Outcome {
    try {
      return { answer: this.#run(operation) }
    } catch (error) {
      return failure(error)
    }
  }

  #run({ name, ask }: Operation): unknown {
    return (this.#handlers[name] as (ask: Operation['ask']) => unknown)(ask)
  }

  #transaction<T>(action: () => T): T {
    const queueNumber = this.#nextQueueNumber
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = action()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      this.#nextQueueNumber = queueNumber
      // After some failures (a full disk) SQLite has rolled back by itself.
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #prepareHandlers(): Handlers {
    const db = this.#database
    const statement = (sql: string) => db.prepare(sql)
    const rows = (sql: string) => db.prepare(sql).raw()

    const byId = {
      recipient: rows(`SELECT ${QUEUE_COLUMNS} FROM queues WHERE rcv_id = ?`),
      sender: rows(`SELECT ${QUEUE_COLUMNS} FROM queues WHERE snd_id = ?`),
      link: rows(
        `SELECT ${QUEUE_COLUMNS} FROM queues WHERE number = (SELECT queue FROM links AS wanted WHERE wanted.link_id = ?)`,
      ),
    }
    const positions = rows('SELECT number, timestamp, quota FROM messages WHERE queue = ? ORDER BY number')
    const insertQueue = statement(`INSERT INTO queues
      (number, rcv_id, snd_id, rcv_keys, rcv_dh_secret, snd_key, mode, status, notice, updated_day)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    const queueIdInUse = rows('SELECT 1 FROM queues WHERE rcv_id = ? OR snd_id = ?')
    const linkOwner = rows('SELECT queue FROM links WHERE link_id = ?')
    const ownLink = rows('SELECT link_id, fixed FROM links WHERE queue = ?')
    const putLink = statement('INSERT OR REPLACE INTO links (queue, link_id, fixed, user) VALUES (?, ?, ?, ?)')
    const deleteLink = statement('DELETE FROM links WHERE queue = ?')
    const setColumn = {
      rcvKeys: statement('UPDATE queues SET rcv_keys = ? WHERE number = ?'),
      sndKey: statement('UPDATE queues SET snd_key = ? WHERE number = ?'),
      status: statement('UPDATE queues SET status = ? WHERE number = ?'),
      notice: statement('UPDATE queues SET notice = ? WHERE number = ?'),
      updatedDay: statement('UPDATE queues SET updated_day = ? WHERE number = ?'),
    }
    const deleteQueue = statement('DELETE FROM queues WHERE number = ?')
    const deleteMessagesOf = statement('DELETE FROM messages WHERE queue = ?')
    const selectLink = rows('SELECT fixed, user FROM links WHERE queue = ?')
    const insertMessage = statement(`INSERT INTO messages
      (number, queue, timestamp, quota, notification, msg_id, body) VALUES (?, ?, ?, ?, ?, ?, ?)`)
    const deleteMessage = statement('DELETE FROM messages WHERE number = ?')
    const selectMessage = rows('SELECT number, msg_id, timestamp, notification, body FROM messages WHERE number = ?')
    const scanMessages = rows(
      'SELECT number, queue, timestamp, quota FROM messages WHERE number >= ? ORDER BY number LIMIT ?',
    )
    const selectQueues = rows(`SELECT ${QUEUE_COLUMNS} FROM queues ORDER BY number LIMIT ?`)
    const inspectMessages = rows(
      'SELECT msg_id, timestamp, coalesce(length(body), 0) FROM messages WHERE queue = ? ORDER BY number',
    )
    const countQueues = rows('SELECT count(*) FROM queues')
    const countMessages = rows('SELECT count(*) FROM messages')

    const writeLink = (queue: QueueNumber, { linkId, fixed, user }: LinkRow) =>
      putLink.run([queue, linkId, fixed, user])
    const isLinkTaken = (queue: QueueNumber, linkId: Uint8Array): boolean => {
      const owner = linkOwner.get([linkId]) as [number] | undefined
      return owner !== undefined && owner[0] !== queue
    }

    return {
      getQueues({ kind, ids }) {
        return ids.map((id) => {
          const tuple = byId[kind].get([id]) as QueueTuple | undefined
          // A missing queue costs as many statements as one that is there.
          const messages = positions.all([tuple?.[0] ?? 0]) as [number, number, number][]
          return tuple && loadedRow(tuple, messages)
        })
      },
      addQueue: ({ row, link }) => {
        const number = this.#nextQueueNumber
        if (queueIdInUse.get([row.rcvId, row.sndId]) !== undefined) return undefined
        if (link && isLinkTaken(number, link.linkId)) return undefined
        const { rcvId, sndId, rcvKeys, rcvDhSecret, sndKey, mode, status, notice, updatedDay } = row
        insertQueue.run([number, rcvId, sndId, rcvKeys, rcvDhSecret, sndKey, mode, status, notice, updatedDay])
        if (link) writeLink(number, link)
        this.#nextQueueNumber++
        return number
      },
      updateQueue({ queue, change }) {
        for (const [column, value] of Object.entries(change)) {
          setColumn[column as keyof typeof setColumn].run([value, queue])
        }
        return undefined
      },
      setLink({ queue, link }) {
        if (isLinkTaken(queue, link.linkId)) return false
        const current = ownLink.get([queue]) as [Uint8Array, Uint8Array] | undefined
        if (current && !(equalBytes(current[0], link.linkId) && equalBytes(current[1], link.fixed))) return false
        writeLink(queue, link)
        return true
      },
      deleteLink({ queue }) {
        deleteLink.run([queue])
        return undefined
      },
      deleteQueue({ queue }) {
        deleteMessagesOf.run([queue])
        deleteLink.run([queue])
        deleteQueue.run([queue])
        return undefined
      },
      getLinkData({ queue }) {
        const found = selectLink.get([queue]) as [Uint8Array, Uint8Array] | undefined
        return found && { fixed: found[0], user: found[1] }
      },
      addMessage({ queue, message: { number, timestamp, notification, msgId, body } }) {
        insertMessage.run([number, queue, timestamp, body ? 0 : 1, notification ? 1 : 0, msgId, body])
        return undefined
      },
      deleteMessages({ messages }) {
        for (const number of messages) deleteMessage.run([number])
        return undefined
      },
      getMessage({ message }) {
        const found = selectMessage.get([message]) as
          | [number, Uint8Array, number, number, Uint8Array | null]
          | undefined
        if (!found) return undefined
        const [number, msgId, timestamp, notification, body] = found
        return { number, msgId, timestamp, notification: notification === 1, body } satisfies MessageRow
      },
      expireMessages({ before, from, limit }): ExpiryStep {
        const expired: { queue: QueueNumber; message: MessageNumber }[] = []
        const scanned = scanMessages.all([from, limit]) as [number, number, number, number][]
        for (const [message, queue, timestamp, quota] of scanned) {
          if (quota === 1) continue
          // Numbers grow with time: what follows is not older.
          if (timestamp >= before) return { expired }
          deleteMessage.run([message])
          expired.push({ queue, message })
        }
        const last = scanned.at(-1)
        return last && scanned.length === limit ? { expired, next: last[0] + 1 } : { expired }
      },
      inspectQueues({ limit }) {
        return (selectQueues.all([limit]) as QueueTuple[]).map((tuple): InspectedRow => {
          const messages = inspectMessages.all([tuple[0]]) as [Uint8Array, number, number][]
          return {
            row: queueRow(tuple),
            linkId: tuple[10] ?? NO_LINK,
            messages: messages.map(([msgId, timestamp, size]) => ({ msgId, timestamp, size })),
          }
        })
      },
      count() {
        const [queues] = countQueues.get([]) as [number]
        const [messages] = countMessages.get([]) as [number]
        return { queues, messages }
      },
    }
  }
}

function queueRow(tuple: QueueTuple): QueueRow {
  const [, rcvId, sndId, rcvKeys, rcvDhSecret, sndKey, mode, status, notice, updatedDay] = tuple
  return { rcvId, sndId, rcvKeys, rcvDhSecret, sndKey, mode, status, notice, updatedDay }
}

function loadedRow(tuple: QueueTuple, messages: readonly [number, number, number][]): LoadedRow {
  return {
    number: tuple[0],
    row: queueRow(tuple),
    linkId: tuple[10] ?? NO_LINK,
    messages: messages.map(
      ([number, timestamp, quota]): MessagePosition => ({ number, timestamp, quota: quota === 1 }),
    ),
  }
}

function failure(error: unknown): Outcome {
  return { error: error instanceof Error ? error.message : String(error) }
}

function migrate(database: Database.Database): void {
  const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
  if (version > MIGRATIONS.length) {
    throw new Error(`the database has schema ${version}, this program knows up to ${MIGRATIONS.length}`)
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}

function highest(database: Database.Database, table: 'queues' | 'messages'): number {
  const [number] = database.prepare(`SELECT coalesce(max(number), 0) FROM ${table}`).raw().get([]) as [number]
  return number
}
