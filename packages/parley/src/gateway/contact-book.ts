import { PrivateKey } from '@parley/core/crypto'
import { decodeSignedCard, encodeSignedCard, type SignedCard } from '../card/index.ts'
import { type Db, type Migration, openDatabase, type SqliteDatabase } from '../store/index.ts'

const MIGRATIONS: readonly Migration[] = [
  {
    name: '001-contacts',
    up: `
      CREATE TABLE contacts (
        address TEXT PRIMARY KEY,
        conn_id TEXT NOT NULL,
        link TEXT NOT NULL,
        channel_key BLOB NOT NULL,
        signed_card BLOB,
        is_published INTEGER NOT NULL
      ) STRICT`,
    down: 'DROP TABLE contacts',
  },
  {
    name: '002-retired',
    up: `
      -- Contact addresses in whose place others have come, until they are deleted.
      CREATE TABLE retired (
        conn_id TEXT PRIMARY KEY,
        address TEXT NOT NULL
      ) STRICT`,
    down: 'DROP TABLE retired',
  },
]

/** By what an agent of this node is reached in private. */
export interface Contact {
  readonly address: string
  /** Connection of its contact address. */
  readonly connId: string
  /** Short link of that. */
  readonly link: string
  readonly channelKey: PrivateKey<'ed25519'>
  /** Its newest card; absent until there is one. */
  readonly signed?: SignedCard
  /** Whether the link and this node's directory have that card. */
  readonly isPublished: boolean
}

interface Row {
  readonly address: string
  readonly conn_id: string
  readonly link: string
  readonly channel_key: Uint8Array
  readonly signed_card: Uint8Array | null
  readonly is_published: number
}

/** The contacts of this node's agents, over restarts. What was put is on disk when the call resolves. */
export class ContactBook {
  readonly #database: SqliteDatabase

  private constructor(database: SqliteDatabase) {
    this.#database = database
  }

  /** @throws StoreError */
  static open(file: string, passphrase?: string): ContactBook {
    return new ContactBook(openDatabase({ file, passphrase, migrations: MIGRATIONS }))
  }

  get(address: string): Contact | undefined {
    const row = this.#database.get<Row>('SELECT * FROM contacts WHERE address = ?', address)
    return row && contactOf(row)
  }

  /** Agents with the connections of their contact addresses. */
  list(): Pick<Contact, 'address' | 'connId'>[] {
    return this.#database.all<{ address: string; connId: string }>('SELECT address, conn_id AS connId FROM contacts')
  }

  put(contact: Contact): Promise<unknown> {
    return this.#database.transaction((db) => putContact(db, contact))
  }

  /** Puts another contact in the place of an agent's, whose contact address is to be deleted then. */
  replace(contact: Contact): Promise<unknown> {
    return this.#database.transaction((db) => {
      db.run('INSERT INTO retired SELECT conn_id, address FROM contacts WHERE address = ?', contact.address)
      putContact(db, contact)
    })
  }

  /** Connections of contact addresses that an agent had before, and that are not deleted yet. */
  retiredOf(address: string): string[] {
    const rows = this.#database.all<{ connId: string }>(
      'SELECT conn_id AS connId FROM retired WHERE address = ?',
      address,
    )
    return rows.map(({ connId }) => connId)
  }

  /** Agents with connections of contact addresses that they had before. */
  listRetired(): Pick<Contact, 'address' | 'connId'>[] {
    return this.#database.all<{ address: string; connId: string }>('SELECT address, conn_id AS connId FROM retired')
  }

  forgetRetired(connId: string): Promise<unknown> {
    return this.#database.transaction((db) => db.run('DELETE FROM retired WHERE conn_id = ?', connId))
  }

  /** Forgets an agent's contact, and those before it. */
  delete(address: string): Promise<unknown> {
    return this.#database.transaction((db) => {
      db.run('DELETE FROM contacts WHERE address = ?', address)
      db.run('DELETE FROM retired WHERE address = ?', address)
    })
  }

  close(): void {
    this.#database.close()
  }
}

function putContact(db: Db, { address, connId, link, channelKey, signed, isPublished }: Contact): void {
  db.run(
    'INSERT OR REPLACE INTO contacts VALUES (?, ?, ?, ?, ?, ?)',
    address,
    connId,
    link,
    channelKey.raw,
    signed ? encodeSignedCard(signed) : null,
    isPublished ? 1 : 0,
  )
}

function contactOf({ address, conn_id, link, channel_key, signed_card, is_published }: Row): Contact {
  return {
    address,
    connId: conn_id,
    link,
    channelKey: new PrivateKey('ed25519', channel_key),
    ...(signed_card && { signed: decodeSignedCard(signed_card) }),
    isPublished: is_published === 1,
  }
}
