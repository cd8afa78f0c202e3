import { decode } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import type { AgentError } from '../agent-error.ts'
import { connError } from '../client-errors.ts'
import { decodeDurable, type EffectEvent } from '../effects.ts'
import { connectionRequestCodec } from '../links/index.ts'
import { openConfirmationsOf } from '../store/confirmations.ts'
import { getConnection, listConnections } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { openInvitationsOf } from '../store/invitations.ts'
import { rcvQueuesOf } from '../store/rcv-queues.ts'
import { queuesWithDeliveries } from '../store/snd-messages.ts'
import { eventsOf } from '../store/undelivered-events.ts'
import { confirmationEvent } from './receive-confirmation.ts'
import { requestEvent } from './receive-invitation.ts'

/**
 * Subscribes to the queues of connections, goes on with deliveries and commands, and repeats the events of connection
 * establishment that wait for an answer (CONF, REQ) or were not taken before the last end (INFO, CON).
 * @param connIds all connections unless given
 * @returns why connections could not be subscribed; those that may be later are tried again in the background
 */
export async function subscribeConnections(
  context: AgentContext,
  connIds: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<Map<string, AgentError>> {
  const { store, subscriptions, delivery, commands, outlet } = context
  const ids = connIds ?? store.read(listConnections).map(({ connId }) => connId)
  const errors = new Map<string, AgentError>()
  const queues = ids.flatMap((connId) => {
    const { found, list } = store.read((db) => queuesOf(db, connId))
    if (!found) errors.set(connId, connError('NOT_FOUND', 'connection'))
    else if (list.length === 0) errors.set(connId, connError('SIMPLEX', 'subscribe'))
    return list
  })
  for (const connId of ids) {
    outlet.post(store.read((db) => waitingEvents(context, db, connId)))
    commands.wake(connId)
    for (const sndQueueId of store.read((db) => queuesWithDeliveries(db, connId))) delivery.wake(sndQueueId)
  }
  const failed = await subscriptions.subscribe(queues, signal)
  const active = new Set(queues.filter(({ rcvQueueId }) => !failed.has(rcvQueueId)).map(({ connId }) => connId))
  for (const { rcvQueueId, connId } of queues) {
    const error = failed.get(rcvQueueId)
    // One queue is enough: the others are being replaced.
    if (error && !active.has(connId)) errors.set(connId, error)
  }
  return errors
}

function queuesOf(db: Db, connId: string) {
  const connection = getConnection(db, connId)
  const found = connection !== undefined && connection.deletedAt === undefined
  return { found, list: found ? rcvQueuesOf(db, connId).filter(({ deleted }) => !deleted) : [] }
}

function waitingEvents({ outlet }: AgentContext, db: Db, connId: string): EffectEvent[] {
  const confirmations = openConfirmationsOf(db, connId)
    .filter(({ confirmationId }) => !outlet.wasAnnounced(confirmationId))
    .map((confirmation) => ({ event: confirmationEvent(confirmation) }))
  const requests = openInvitationsOf(db, connId)
    .filter(({ invitationId }) => !outlet.wasAnnounced(invitationId))
    .flatMap((invitation) => {
      const request = decode(connectionRequestCodec, invitation.connectionRequest)
      return request.mode === 'invitation' ? [{ event: requestEvent(invitation, request) }] : []
    })
  const events = eventsOf(db, connId)
    .filter(({ eventId }) => !outlet.isUnderway(eventId))
    .map(({ eventId, event }) => ({ eventId, event: decodeDurable(event) }))
  return [...confirmations, ...requests, ...events]
}
