import { encode } from '@parley/core/encoding'
import { formatSmpServer } from '@parley/smp/protocol'
import type { AgentContext } from '../agent-context.ts'
import type { Effects } from '../effects.ts'
import type { AgentEventOf } from '../events.ts'
import { connectionRequestCodec, type InvitationRequest } from '../links/index.ts'
import { type AgentEnvelope, agreeConnectionVersions, pqSupported } from '../protocol/index.ts'
import { hasInvitation, type InvitationRecord, insertInvitation } from '../store/invitations.ts'
import { ackByAgent } from './ack.ts'
import { newId } from './ids.ts'
import { keyAgreementHash } from './own-info.ts'
import type { Received } from './received.ts'

/** Somebody asks to connect to the contact address: `spec/agent.md §5.3`. */
export async function receiveInvitation(
  context: AgentContext,
  { connection, ref }: Received,
  { request, connInfo }: Extract<AgentEnvelope, { type: 'invitation' }>,
  effects: Effects,
): Promise<void> {
  const { config, store } = context
  const own = { agent: config.agentVersions, e2e: config.e2eVersions, smpClient: config.clientVersions }
  const versions = agreeConnectionVersions(own, {
    agent: request.agentVersions,
    e2e: request.e2eParams.versions,
    smpClient: request.queues[0].versions,
  })
  const { connId } = connection
  const connectionRequest = encode(connectionRequestCodec, request)
  await store.lockConnForUpdate(connId, (db) => {
    ackByAgent(db, ref, effects)
    if (hasInvitation(db, connId, connectionRequest)) return
    const invitation = {
      invitationId: newId(),
      contactConnId: connId,
      connectionRequest,
      peerInfo: connInfo,
      // What the requester's versions support; a request that cannot be accepted is shown as well.
      pq: versions !== undefined && pqSupported(true, versions),
    }
    insertInvitation(db, invitation)
    effects.emit(requestEvent(invitation, request))
  })
}

/** The event of a request. */
export function requestEvent(
  { contactConnId, invitationId, peerInfo, pq }: InvitationRecord,
  { queues, e2eParams }: InvitationRequest,
): AgentEventOf<'REQ'> {
  const servers = queues.map(({ server }) => formatSmpServer(server))
  const keyAgreement = keyAgreementHash(e2eParams)
  return { event: 'REQ', connId: contactConnId, invId: invitationId, info: peerInfo, pq, servers, keyAgreement }
}
