CREATE TABLE commands (
  command_id INTEGER PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  lane TEXT NOT NULL CHECK (lane IN ('ack', 'work')),
  command TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX commands_conn_id ON commands (conn_id, lane);
CREATE TABLE conn_confirmations (
  confirmation_id TEXT NOT NULL PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  reply_queues BLOB NOT NULL,
  peer_info BLOB NOT NULL,
  pq INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  own_info BLOB,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX conn_confirmations_conn_id ON conn_confirmations (conn_id);
CREATE TABLE conn_invitations (
  invitation_id TEXT NOT NULL PRIMARY KEY,
  contact_conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  connection_request BLOB NOT NULL,
  peer_info BLOB NOT NULL,
  pq INTEGER NOT NULL,
  accepted_conn_id TEXT REFERENCES connections ON DELETE CASCADE,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX conn_invitations_accepted_conn_id ON conn_invitations (accepted_conn_id);
CREATE INDEX conn_invitations_request ON conn_invitations (contact_conn_id, connection_request);
CREATE TABLE conn_joins (
  conn_id TEXT NOT NULL PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
  connection_request BLOB NOT NULL,
  info BLOB NOT NULL,
  envelope BLOB,
  running INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE connections (
  conn_id TEXT NOT NULL PRIMARY KEY,
  mode TEXT NOT NULL CHECK (mode IN ('invitation', 'contact')),
  agent_version INTEGER NOT NULL,
  pq_support INTEGER NOT NULL,
  last_msg_id INTEGER NOT NULL DEFAULT 0,
  last_snd_msg_id INTEGER NOT NULL DEFAULT 0,
  last_external_snd_msg_id TEXT NOT NULL DEFAULT '0',
  last_rcv_msg_hash BLOB NOT NULL DEFAULT x'',
  last_snd_msg_hash BLOB NOT NULL DEFAULT x'',
  ratchet_sync_state TEXT NOT NULL DEFAULT 'ok',
  connected_at INTEGER,
  suspended_at INTEGER,
  deleted_at INTEGER,
  delete_wait_until INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE encrypted_rcv_message_hashes (
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX encrypted_rcv_message_hashes_created_at ON encrypted_rcv_message_hashes (created_at);
CREATE TABLE inv_short_links (
  server_id INTEGER NOT NULL REFERENCES servers,
  link_id BLOB NOT NULL,
  link_key BLOB NOT NULL,
  snd_private_key BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (server_id, link_id)
) STRICT;
CREATE TABLE migrations (
  name TEXT NOT NULL PRIMARY KEY,
  down TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT;
CREATE TABLE ratchets (
  conn_id TEXT NOT NULL PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
  x3dh_private_key_1 BLOB,
  x3dh_private_key_2 BLOB,
  pq_private_params BLOB,
  snd_e2e_params BLOB,
  ratchet_state TEXT
) STRICT;
CREATE TABLE rcv_messages (
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  msg_id INTEGER NOT NULL,
  rcv_queue_id INTEGER NOT NULL REFERENCES rcv_queues ON DELETE CASCADE,
  broker_id BLOB NOT NULL,
  broker_ts INTEGER NOT NULL,
  external_snd_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  integrity TEXT NOT NULL,
  notification INTEGER NOT NULL,
  msg_type TEXT NOT NULL,
  body BLOB,
  pq INTEGER NOT NULL,
  user_ack INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 1,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, msg_id)
) STRICT;
CREATE INDEX rcv_messages_broker_id ON rcv_messages (rcv_queue_id, broker_id);
CREATE TABLE rcv_queues (
  rcv_queue_id INTEGER PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  server_id INTEGER NOT NULL REFERENCES servers,
  rcv_id BLOB NOT NULL,
  snd_id BLOB NOT NULL,
  rcv_private_key BLOB NOT NULL,
  rcv_dh_secret BLOB NOT NULL,
  e2e_private_key BLOB NOT NULL,
  e2e_dh_secret BLOB,
  snd_key BLOB,
  status TEXT NOT NULL,
  client_version INTEGER NOT NULL,
  queue_mode TEXT CHECK (queue_mode IN ('messaging', 'contact')),
  is_primary INTEGER NOT NULL,
  replaces_queue_id INTEGER REFERENCES rcv_queues ON DELETE SET NULL,
  link_id BLOB,
  link_key BLOB,
  link_private_key BLOB,
  link_fixed_data BLOB,
  delete_errors INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  UNIQUE (server_id, rcv_id),
  UNIQUE (server_id, snd_id)
) STRICT;
CREATE INDEX rcv_queues_conn_id ON rcv_queues (conn_id);
CREATE INDEX rcv_queues_replaces_queue_id ON rcv_queues (replaces_queue_id);
CREATE TABLE servers (
  server_id INTEGER PRIMARY KEY,
  hosts TEXT NOT NULL,
  port TEXT NOT NULL,
  key_hash BLOB NOT NULL,
  UNIQUE (hosts, port, key_hash)
) STRICT;
CREATE TABLE skipped_messages (
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  header_key BLOB NOT NULL,
  msg_n INTEGER NOT NULL,
  msg_key BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, header_key, msg_n)
) STRICT, WITHOUT ROWID;
CREATE TABLE snd_message_bodies (
  body_id INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE snd_message_deliveries (
  delivery_id INTEGER PRIMARY KEY,
  conn_id TEXT NOT NULL,
  msg_id INTEGER NOT NULL,
  snd_queue_id INTEGER NOT NULL REFERENCES snd_queues ON DELETE CASCADE,
  slow_delay INTEGER,
  fast_delay INTEGER,
  FOREIGN KEY (conn_id, msg_id) REFERENCES snd_messages ON DELETE CASCADE
) STRICT;
CREATE INDEX snd_message_deliveries_msg ON snd_message_deliveries (conn_id, msg_id);
CREATE INDEX snd_message_deliveries_queue ON snd_message_deliveries (snd_queue_id, msg_id);
CREATE TABLE snd_messages (
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  msg_id INTEGER NOT NULL,
  snd_msg_id INTEGER NOT NULL,
  msg_type TEXT NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  body_id INTEGER REFERENCES snd_message_bodies,
  encrypt_key BLOB,
  padded_length INTEGER NOT NULL,
  notification INTEGER NOT NULL,
  pq INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'waiting', 'sent', 'received', 'failed')),
  state_at INTEGER NOT NULL,
  next_try_at INTEGER,
  reason TEXT,
  sent_at INTEGER,
  receipt_status TEXT,
  closed_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, msg_id),
  UNIQUE (conn_id, snd_msg_id)
) STRICT;
CREATE INDEX snd_messages_body_id ON snd_messages (body_id);
CREATE INDEX snd_messages_closed_at ON snd_messages (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX snd_messages_open ON snd_messages (created_at) WHERE closed_at IS NULL;
CREATE TABLE snd_queues (
  snd_queue_id INTEGER PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  server_id INTEGER NOT NULL REFERENCES servers,
  snd_id BLOB NOT NULL,
  snd_private_key BLOB NOT NULL,
  e2e_public_key BLOB NOT NULL,
  e2e_dh_secret BLOB NOT NULL,
  status TEXT NOT NULL,
  client_version INTEGER NOT NULL,
  queue_mode TEXT CHECK (queue_mode IN ('messaging', 'contact')),
  is_primary INTEGER NOT NULL,
  replaces_queue_id INTEGER REFERENCES snd_queues ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (conn_id, server_id, snd_id)
) STRICT;
CREATE INDEX snd_queues_replaces_queue_id ON snd_queues (replaces_queue_id);
CREATE INDEX snd_queues_server_id ON snd_queues (server_id);
CREATE TABLE undelivered_events (
  event_id INTEGER PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
  event TEXT NOT NULL
) STRICT;
CREATE INDEX undelivered_events_conn_id ON undelivered_events (conn_id);
