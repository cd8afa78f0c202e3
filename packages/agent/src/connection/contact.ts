import { decode } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import { commandError, connError } from '../client-errors.ts'
import { connectionRequestCodec } from '../links/index.ts'
import { getConnection } from '../store/connections.ts'
import { acceptInvitation, getInvitation, removeInvitation } from '../store/invitations.ts'
import { prepareJoin } from './join.ts'
import type { OwnInfo } from './own-info.ts'
import { runJoin } from './run-join.ts'

/** How a request (REQ) is accepted. */
export interface AcceptContactOptions {
  readonly info: OwnInfo
  /** Default true. */
  readonly pq?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Accepts a request: joins the invitation that it brought. After a network error the same call goes on; after a crash
 * of which the application does not know how far it came, the same call gives the same connection until it is connected.
 * @returns the new connection
 * @throws AgentError CONN NOT_FOUND for an unknown request, CMD PROHIBITED for one that is connected; of the routers
 */
export async function acceptContact(
  context: AgentContext,
  invitationId: string,
  { info, pq = true, signal }: AcceptContactOptions,
): Promise<string> {
  const { store } = context
  const invitation = store.read((db) => getInvitation(db, invitationId))
  if (!invitation) throw connError('NOT_FOUND', 'invitation')
  const { acceptedConnId } = invitation
  if (acceptedConnId !== undefined && !isUnderWay(context, acceptedConnId)) {
    throw commandError('PROHIBITED', 'the request is accepted already')
  }
  const request = decode(connectionRequestCodec, invitation.connectionRequest)
  const connId = await prepareJoin(context, {
    request,
    info,
    pq,
    signal,
    onStored: (db, id) => acceptInvitation(db, invitationId, id),
  })
  await runJoin(context, connId, signal)
  context.outlet.answered(invitationId)
  return connId
}

function isUnderWay({ store }: AgentContext, connId: string): boolean {
  const connection = store.read((db) => getConnection(db, connId))
  return connection !== undefined && connection.connectedAt === undefined && connection.deletedAt === undefined
}

/**
 * Rejects a request; its sender is not told.
 * @throws AgentError CONN NOT_FOUND
 */
export async function rejectContact({ store, outlet }: AgentContext, invitationId: string): Promise<void> {
  await store.transaction((db) => {
    if (!getInvitation(db, invitationId)) throw connError('NOT_FOUND', 'invitation')
    removeInvitation(db, invitationId)
  })
  outlet.answered(invitationId)
}
