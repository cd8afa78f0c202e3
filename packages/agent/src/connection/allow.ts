import { dh, PrivateKey } from '@parley/core/crypto'
import { agreeVersion } from '@parley/core/version'
import { type AgentContext, applyEffects } from '../agent-context.ts'
import { commandError, connError, versionError } from '../client-errors.ts'
import { Effects } from '../effects.ts'
import type { SmpQueueInfo } from '../links/index.ts'
import { paddedConnInfoLength } from '../protocol/index.ts'
import { insertCommand } from '../store/commands.ts'
import { acceptConfirmation, getConfirmation } from '../store/confirmations.ts'
import { getConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { getRcvQueue, rcvQueuesOf, updateRcvQueue } from '../store/rcv-queues.ts'
import type { ConnectionRecord, SndQueueRecord } from '../store/records.ts'
import { insertSndQueue, setSndQueueStatus, sndQueuesOf } from '../store/snd-queues.ts'
import { enqueueConfirmation } from './enqueue.ts'
import { enqueueHello } from './hello.ts'
import { decodeReplyQueues } from './reply-queues.ts'

/** Length bytes of the padding and the tag before connection information. */
const CONN_INFO_OVERHEAD = 3

/**
 * Refuses information that does not fit the confirmation.
 * @throws AgentError CMD LARGE
 */
export function checkConnInfo(agentVersion: number, pqSupport: boolean, info: Uint8Array, reserved = 0): void {
  const room = paddedConnInfoLength(agentVersion, pqSupport) - CONN_INFO_OVERHEAD - reserved
  if (info.length > room) throw commandError('LARGE', `connection information, at most ${room} bytes`)
}

/** Accepts a confirmation (CONF). What follows at routers is done in the background, also after a crash. */
export async function allowConnection(
  context: AgentContext,
  connId: string,
  confirmationId: string,
  info: Uint8Array,
): Promise<void> {
  const effects = new Effects()
  await context.store.lockConnForUpdate(connId, (db, connection) => {
    const confirmation = getConfirmation(db, confirmationId)
    if (confirmation?.connId !== connId) throw connError('NOT_FOUND', 'confirmation')
    if (confirmation.accepted) throw commandError('PROHIBITED', 'the confirmation is accepted already')
    checkConnInfo(connection.agentVersion, connection.pqSupport, info)
    acceptConfirmation(db, confirmationId, info)
    insertCommand(db, connId, { type: 'ALLOW_SECURE', confirmationId })
    effects.runCommands(connId)
  })
  context.outlet.answered(confirmationId)
  applyEffects(context, effects)
}

/**
 * ALLOW_SECURE: makes the send queue, secures both queues as far as it is this side's turn, and queues the
 * confirmation: `spec/agent.md §5.1`, step 6. Each part is stored when it is done, so that it can be repeated.
 * @throws AgentError of the routers
 */
export async function runAllowSecure(context: AgentContext, connId: string, confirmationId: string): Promise<void> {
  const { store, clients, closing, config } = context
  const confirmation = store.read((db) => getConfirmation(db, confirmationId))
  if (!confirmation?.ownInfo) return
  const { ownInfo } = confirmation
  const [reply] = decodeReplyQueues(confirmation.replyQueues)
  const request = { mode: 'background', signal: closing } as const
  const rcvQueue = store.read((db) => rcvQueuesOf(db, connId)[0])
  if (rcvQueue?.sndKey && rcvQueue.status === 'confirmed') {
    const client = await clients.get(rcvQueue.server, request)
    await client.secureQueue({ rcvId: rcvQueue.rcvId, key: rcvQueue.rcvPrivateKey }, rcvQueue.sndKey, request)
    await store.transaction((db) => updateRcvQueue(db, rcvQueue.rcvQueueId, { status: 'secured' }))
  }
  const sndQueue = await sndQueueFor(context, connId, reply)
  if (sndQueue.queueMode === 'messaging' && sndQueue.status === 'new') {
    const client = await clients.get(sndQueue.server, request)
    await client.secureBySender(sndQueue.sndId, sndQueue.sndPrivateKey, request)
    await store.transaction((db) => setSndQueueStatus(db, sndQueue.sndQueueId, 'secured'))
  }
  const effects = new Effects()
  await store.lockConnForUpdate(connId, (db) => {
    if (hasConfirmed(db, connId)) return
    enqueueConfirmation(db, config, sndQueue, ownInfo, effects)
  })
  applyEffects(context, effects)
}

/** The confirmation counts as the first message sent. */
function hasConfirmed(db: Db, connId: string): boolean {
  const connection = getConnection(db, connId) as ConnectionRecord
  return connection.lastSndMsgId > 0
}

function sndQueueFor({ store, config }: AgentContext, connId: string, reply: SmpQueueInfo): Promise<SndQueueRecord> {
  return store.lockConnForUpdate(connId, (db) => {
    const [existing] = sndQueuesOf(db, connId)
    return existing ?? insertSndQueue(db, newSndQueue(connId, reply, config.clientVersions.max))
  })
}

/**
 * A send queue for an address, with new keys.
 * @throws AgentError A_VERSION
 */
export function newSndQueue(
  connId: string,
  { server, senderId, dhKey, mode, version }: SmpQueueInfo,
  maxClientVersion: number,
  sndPrivateKey: PrivateKey<'ed25519'> = PrivateKey.generate('ed25519'),
): Omit<SndQueueRecord, 'sndQueueId'> {
  const clientVersion = agreeVersion({ min: 1, max: maxClientVersion }, { min: 1, max: version })
  if (clientVersion === undefined) throw versionError()
  const e2eKey = PrivateKey.generate('x25519')
  return {
    connId,
    server,
    sndId: senderId,
    sndPrivateKey,
    e2ePublicKey: e2eKey.publicKey,
    e2eDhSecret: dh(e2eKey, dhKey),
    status: 'new',
    clientVersion,
    ...(mode && { queueMode: mode }),
    isPrimary: true,
  }
}

/**
 * DUPLEX_SECURE: the joiner secures its queue for the initiator and says so: `spec/agent.md §5.2`.
 * @throws AgentError of the router
 */
export async function runDuplexSecure(context: AgentContext, connId: string, rcvQueueId: number): Promise<void> {
  const { store, clients, closing, config } = context
  const queue = store.read((db) => getRcvQueue(db, rcvQueueId))
  if (!queue?.sndKey || queue.status !== 'confirmed') return
  const request = { mode: 'background', signal: closing } as const
  const client = await clients.get(queue.server, request)
  await client.secureQueue({ rcvId: queue.rcvId, key: queue.rcvPrivateKey }, queue.sndKey, request)
  const effects = new Effects()
  await store.lockConnForUpdate(connId, (db) => {
    updateRcvQueue(db, rcvQueueId, { status: 'secured' })
    enqueueHello(db, config, connId, effects)
  })
  applyEffects(context, effects)
}
