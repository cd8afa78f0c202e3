import type { Db } from './database.ts'

/** A request received by a contact address (REQ). */
export interface InvitationRecord {
  /** base64url of 12 random bytes. */
  readonly invitationId: string
  readonly contactConnId: string
  /** Encoded connection request of the requester. */
  readonly connectionRequest: Uint8Array
  readonly peerInfo: Uint8Array
  readonly pq: boolean
  /** The connection made by accepting it. */
  readonly acceptedConnId?: string
}

interface InvitationRow {
  readonly invitation_id: string
  readonly contact_conn_id: string
  readonly connection_request: Uint8Array
  readonly peer_info: Uint8Array
  readonly pq: number
  readonly accepted_conn_id: string | null
}

/** Adds a request without an answer. */
export function insertInvitation(db: Db, record: Omit<InvitationRecord, 'acceptedConnId'>): void {
  db.run(
    `INSERT INTO conn_invitations (invitation_id, contact_conn_id, connection_request, peer_info, pq, created_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
    record.invitationId,
    record.contactConnId,
    record.connectionRequest,
    record.peerInfo,
    Number(record.pq),
    Date.now(),
  )
}

/** The request with this id. */
export function getInvitation(db: Db, invitationId: string): InvitationRecord | undefined {
  const row = db.get<InvitationRow>('SELECT * FROM conn_invitations WHERE invitation_id = ?', invitationId)
  return row && recordOf(row)
}

/** Requests that the application has not answered. */
export function openInvitationsOf(db: Db, contactConnId: string): InvitationRecord[] {
  const sql =
    'SELECT * FROM conn_invitations WHERE contact_conn_id = ? AND accepted_conn_id IS NULL ORDER BY created_at'
  return db.all<InvitationRow>(sql, contactConnId).map(recordOf)
}

/** True when the contact address has received the same request before: its sender repeated it. */
export function hasInvitation(db: Db, contactConnId: string, connectionRequest: Uint8Array): boolean {
  const sql = 'SELECT 1 FROM conn_invitations WHERE contact_conn_id = ? AND connection_request = ?'
  return db.get(sql, contactConnId, connectionRequest) !== undefined
}

/** Records the connection that answers the request. */
export function acceptInvitation(db: Db, invitationId: string, connId: string): void {
  db.run('UPDATE conn_invitations SET accepted_conn_id = ? WHERE invitation_id = ?', connId, invitationId)
}

/** The connection that was to answer a request has failed: the request can be answered again. */
export function unacceptInvitation(db: Db, connId: string): void {
  db.run('UPDATE conn_invitations SET accepted_conn_id = NULL WHERE accepted_conn_id = ?', connId)
}

/** Removes a rejected request. */
export function removeInvitation(db: Db, invitationId: string): void {
  db.run('DELETE FROM conn_invitations WHERE invitation_id = ?', invitationId)
}

function recordOf(row: InvitationRow): InvitationRecord {
  return {
    invitationId: row.invitation_id,
    contactConnId: row.contact_conn_id,
    connectionRequest: row.connection_request,
    peerInfo: row.peer_info,
    pq: row.pq === 1,
    ...(row.accepted_conn_id !== null && { acceptedConnId: row.accepted_conn_id }),
  }
}
