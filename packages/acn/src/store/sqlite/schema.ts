/**
 * The database of a node, one entry per version of the schema. `PRAGMA user_version` tells how many were applied.
 *
 * Numbers of envelopes grow over the whole store, so that an index by agent or pair gives its queue in order. Counts
 * and bytes stand with agents and pairs, so that a bound is checked without counting. Bodies come last in their row:
 * what is asked of a queue is read without them.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE registrations (
    address TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    record BLOB NOT NULL,
    attestation BLOB
  ) STRICT;
  CREATE INDEX registrations_by_age ON registrations (issued_at);
  CREATE INDEX registrations_by_end ON registrations (expires_at) WHERE expires_at IS NOT NULL;

  CREATE TABLE imports (
    name TEXT PRIMARY KEY
  ) STRICT;

  CREATE TABLE agents (
    number INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE pairs (
    number INTEGER PRIMARY KEY,
    agent INTEGER NOT NULL,
    sender TEXT NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (agent, sender)
  ) STRICT;

  CREATE TABLE envelopes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    agent INTEGER NOT NULL,
    pair INTEGER NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    in_flight INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    last_status INTEGER,
    size INTEGER NOT NULL,
    record BLOB,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX envelopes_of_agent ON envelopes (agent, number, size);
  CREATE INDEX envelopes_of_pair ON envelopes (pair, number, size);
  CREATE UNIQUE INDEX envelopes_by_id ON envelopes (pair, id);
  CREATE INDEX envelopes_by_end ON envelopes (expires_at);

  CREATE TABLE not_delivered (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    receiver TEXT NOT NULL,
    sender TEXT NOT NULL,
    reason TEXT NOT NULL,
    status INTEGER,
    attempts INTEGER NOT NULL,
    size INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX not_delivered_by_id ON not_delivered (id);
  CREATE INDEX not_delivered_by_sender ON not_delivered (sender);

  CREATE TABLE trace (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    detail TEXT
  ) STRICT;
  CREATE INDEX trace_by_id ON trace (id);

  CREATE TABLE seen (
    number INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    UNIQUE (scope, id)
  ) STRICT;
  `,
  // Whether the sender of an envelope that was given up is still to be told.
  `
  ALTER TABLE not_delivered ADD COLUMN to_report INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX not_delivered_to_report ON not_delivered (sender, number) WHERE to_report = 1;
  `,
  // When the agent was last here with a fresh proof.
  `
  ALTER TABLE registrations ADD COLUMN proven_at INTEGER;
  `,
  // From whom for whom an envelope is: with the first step of its way alone.
  `
  ALTER TABLE trace ADD COLUMN sender TEXT;
  ALTER TABLE trace ADD COLUMN receiver TEXT;
  CREATE INDEX trace_by_sender ON trace (sender, number) WHERE sender IS NOT NULL;
  CREATE INDEX trace_by_receiver ON trace (receiver, number) WHERE receiver IS NOT NULL;
  `,
]

/** Version of the schema that this program writes; it reads older ones. */
export const SCHEMA_VERSION: number = MIGRATIONS.length
