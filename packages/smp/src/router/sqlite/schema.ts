/**
 * The database of a router, one entry per version of the schema. `PRAGMA user_version` tells how many were applied.
 *
 * Messages are appended: their numbers grow over the whole store, so that an insert touches the last page only, and
 * the index gives a queue's messages in order without reading their bodies.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE queues (
    number INTEGER PRIMARY KEY,
    rcv_id BLOB NOT NULL UNIQUE,
    snd_id BLOB NOT NULL UNIQUE,
    rcv_keys BLOB NOT NULL,
    rcv_dh_secret BLOB NOT NULL,
    snd_key BLOB NOT NULL,
    mode TEXT NOT NULL,
    status TEXT NOT NULL,
    notice INTEGER,
    updated_day INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE links (
    queue INTEGER PRIMARY KEY,
    link_id BLOB NOT NULL UNIQUE,
    fixed BLOB NOT NULL,
    user BLOB NOT NULL
  ) STRICT;

  CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    notification INTEGER NOT NULL,
    msg_id BLOB NOT NULL,
    body BLOB
  ) STRICT;

  CREATE INDEX messages_of_queue ON messages (queue, number, timestamp, quota);
  `,
]

/** Version of the schema that this program writes; it reads older ones. */
export const SCHEMA_VERSION: number = MIGRATIONS.length
