import type { Migration } from '../../store/index.ts'

const channelsMigration: Migration = {
  name: '0001-channels',
  up: `
    -- Two addresses: an agent of ours and its peer.
    CREATE TABLE pairs (
      pair_id INTEGER PRIMARY KEY,
      local TEXT NOT NULL,
      peer TEXT NOT NULL,
      card BLOB,                        -- signed card of the peer, without attachment
      card_failed TEXT,                 -- why no channel can be opened with it
      wanted INTEGER NOT NULL DEFAULT 0,
      UNIQUE (local, peer)
    ) STRICT;

    -- Connections of the agent that are, or are to be, channels.
    CREATE TABLE links (
      conn_id TEXT NOT NULL PRIMARY KEY,
      pair_id INTEGER NOT NULL REFERENCES pairs,
      role INTEGER NOT NULL,            -- 0 we opened it, 1 we accepted it
      state TEXT NOT NULL,              -- opening, connected, open, closing
      created_at INTEGER NOT NULL,
      opened_at INTEGER,                -- when both sides had proven who they are
      pq INTEGER NOT NULL DEFAULT 0,
      peer_key BLOB NOT NULL,           -- the peer's channel key
      inv_id TEXT,                      -- the request that it answers
      hello_sent INTEGER NOT NULL DEFAULT 0,
      snd_number INTEGER NOT NULL DEFAULT 0,    -- last number given to a message
      snd_handed INTEGER NOT NULL DEFAULT 0,    -- last number that the agent has accepted
      snd_stored INTEGER NOT NULL DEFAULT 0,    -- last number that the peer has stored
      snd_seq INTEGER NOT NULL DEFAULT 0,       -- last place given to an envelope
      snd_offset INTEGER NOT NULL DEFAULT 0,    -- of that envelope's bytes, when there are more to send; else 0
      snd_taken INTEGER NOT NULL DEFAULT 0,     -- last place that the peer's application has taken
      rcv_number INTEGER NOT NULL DEFAULT 0,    -- last message stored
      rcv_seq INTEGER NOT NULL DEFAULT 0,       -- last envelope that is complete
      rcv_taken INTEGER NOT NULL DEFAULT 0,     -- all envelopes up to this place are taken or refused
      acked_number INTEGER NOT NULL DEFAULT 0,  -- what the peer was told of the three above
      acked_taken INTEGER NOT NULL DEFAULT 0,
      part_id BLOB,                     -- an envelope of which parts are still to come
      part_total INTEGER,
      part_digest BLOB,
      part_length INTEGER
    ) STRICT;
    CREATE INDEX links_of_pair ON links (pair_id);

    -- Envelopes to send, until the peer's application has taken them.
    CREATE TABLE outbox (
      out_id INTEGER PRIMARY KEY AUTOINCREMENT,
      pair_id INTEGER NOT NULL REFERENCES pairs ON DELETE CASCADE,
      envelope_id BLOB NOT NULL,
      bytes BLOB,                       -- null when its time is over but its place on the link is not free yet
      size INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      conn_id TEXT,                     -- the link that it has a place on
      seq INTEGER,
      UNIQUE (pair_id, envelope_id)
    ) STRICT;
    CREATE INDEX outbox_order ON outbox (pair_id, conn_id, out_id);
    CREATE UNIQUE INDEX outbox_place ON outbox (conn_id, seq) WHERE conn_id IS NOT NULL;
    CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE bytes IS NOT NULL;

    -- Numbered messages that the peer has not stored yet: what they cover, to be sent again in the same way.
    CREATE TABLE flights (
      conn_id TEXT NOT NULL REFERENCES links ON DELETE CASCADE,
      number INTEGER NOT NULL,
      start_seq INTEGER NOT NULL,
      start_offset INTEGER NOT NULL,
      end_seq INTEGER NOT NULL,
      end_offset INTEGER NOT NULL,
      PRIMARY KEY (conn_id, number)
    ) STRICT, WITHOUT ROWID;

    -- What became of envelopes that were sent.
    CREATE TABLE outcomes (
      pair_id INTEGER NOT NULL REFERENCES pairs ON DELETE CASCADE,
      envelope_id BLOB NOT NULL,
      state TEXT NOT NULL,              -- delivered, refused, expired
      at INTEGER NOT NULL,
      PRIMARY KEY (pair_id, envelope_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX outcomes_at ON outcomes (at);

    -- Envelopes that will not be delivered, of which the application has not heard yet.
    CREATE TABLE untold (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      local TEXT NOT NULL,
      peer TEXT NOT NULL,
      envelope_id BLOB NOT NULL,
      reason TEXT NOT NULL,
      status INTEGER,
      at INTEGER NOT NULL
    ) STRICT;

    -- Envelopes of the peer that the application has not taken.
    CREATE TABLE inbox (
      in_id INTEGER PRIMARY KEY AUTOINCREMENT,
      pair_id INTEGER NOT NULL REFERENCES pairs ON DELETE CASCADE,
      envelope_id BLOB NOT NULL,
      bytes BLOB NOT NULL
    ) STRICT;
    CREATE INDEX inbox_order ON inbox (pair_id, in_id);

    -- Ids of envelopes of the peer, so that each is taken once. status: null stored, 0 taken, else refused with it.
    CREATE TABLE seen (
      pair_id INTEGER NOT NULL REFERENCES pairs ON DELETE CASCADE,
      envelope_id BLOB NOT NULL,
      status INTEGER,
      at INTEGER NOT NULL,
      PRIMARY KEY (pair_id, envelope_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seen_at ON seen (at);

    -- Places on a link that are not covered by rcv_taken yet. status as in seen.
    CREATE TABLE arrivals (
      conn_id TEXT NOT NULL REFERENCES links ON DELETE CASCADE,
      seq INTEGER NOT NULL,
      envelope_id BLOB NOT NULL,
      status INTEGER,
      PRIMARY KEY (conn_id, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX arrivals_envelope ON arrivals (envelope_id);

    -- The latest refusals of a link, repeated with acknowledgements.
    CREATE TABLE refusals (
      conn_id TEXT NOT NULL REFERENCES links ON DELETE CASCADE,
      seq INTEGER NOT NULL,
      status INTEGER NOT NULL,
      PRIMARY KEY (conn_id, seq)
    ) STRICT, WITHOUT ROWID;

    -- Parts of the envelope that is being put together, one a link.
    CREATE TABLE parts (
      conn_id TEXT NOT NULL REFERENCES links ON DELETE CASCADE,
      start INTEGER NOT NULL,
      bytes BLOB NOT NULL,
      PRIMARY KEY (conn_id, start)
    ) STRICT, WITHOUT ROWID;

    -- Signatures of requests that were seen, so that none counts twice.
    CREATE TABLE requests (
      digest BLOB NOT NULL PRIMARY KEY,
      inv_id TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
  `,
  down: `
    DROP TABLE requests; DROP TABLE parts; DROP TABLE refusals; DROP TABLE arrivals; DROP TABLE seen; DROP TABLE inbox;
    DROP TABLE untold; DROP TABLE outcomes; DROP TABLE flights; DROP TABLE outbox; DROP TABLE links; DROP TABLE pairs;
  `,
}

/** The schema of the store of channels. Released steps are never edited. */
export const MIGRATIONS: readonly Migration[] = [channelsMigration]
