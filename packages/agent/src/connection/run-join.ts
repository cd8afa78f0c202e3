import { decode, encode } from '@parley/core/encoding'
import { type AgentContext, applyEffects } from '../agent-context.ts'
import type { AgentError } from '../agent-error.ts'
import { connError, isHostError, isSmpError, isTemporary, toAgentError } from '../client-errors.ts'
import { Effects } from '../effects.ts'
import { type ContactRequest, connectionRequestCodec, type SmpQueueUri, smpQueueInfoOf } from '../links/index.ts'
import { agentEnvelopeCodec } from '../protocol/index.ts'
import { nextDelay, pause } from '../retry-interval.ts'
import { chooseServer } from '../server-choice.ts'
import { getConnection, updateConnection } from '../store/connections.ts'
import { unacceptInvitation } from '../store/invitations.ts'
import { getJoin, type JoinRecord, pauseJoin, removeJoin, setJoinEnvelope } from '../store/joins.ts'
import { forgetSndE2eParams, getSndE2eParams, getX3dhKeys } from '../store/ratchets.ts'
import { insertRcvQueue, rcvQueuesOf } from '../store/rcv-queues.ts'
import type { RcvQueueRecord, SndQueueRecord } from '../store/records.ts'
import { setSndQueueStatus, sndQueuesOf } from '../store/snd-queues.ts'
import { connectionRequestOf } from './create.ts'
import { deleteQueues } from './delete.ts'
import { makeConfirmation } from './enqueue.ts'
import { makeQueue } from './new-queue.ts'
import { queueUriOf } from './queue-uri.ts'
import { sealConfirmation, sealInvitation } from './seal.ts'
import { subscribeConnections } from './subscribe.ts'

interface JoinRequest {
  readonly mode: 'interactive' | 'background'
  readonly signal: AbortSignal
}

/**
 * Does what is left of a prepared join. After a failure that may pass, the application can join again with the same
 * request; after any other the connection is deleted.
 * @throws AgentError; the signal's reason when it aborts
 */
export async function runJoin(context: AgentContext, connId: string, signal?: AbortSignal): Promise<void> {
  const { store, closing } = context
  const stop = signal ? AbortSignal.any([signal, closing]) : closing
  try {
    await joinOnce(context, connId, { mode: 'interactive', signal: stop })
    // Joining subscribes, also when all else was done by an agent that crashed since.
    await subscribeConnections(context, [connId], stop)
  } catch (thrown) {
    // The next run of the agent goes on where this one ends.
    closing.throwIfAborted()
    if (stop.aborted) {
      await store.transaction((db) => pauseJoin(db, connId))
      throw stop.reason
    }
    const error = toAgentError(thrown)
    if (isTemporary(error) || isHostError(error)) await store.transaction((db) => pauseJoin(db, connId))
    else await abandonJoin(context, connId)
    throw error
  }
}

/** Goes on with a join that a crash interrupted, as often as it takes. */
export async function resumeInterruptedJoin(context: AgentContext, connId: string): Promise<void> {
  const { closing, config, outlet } = context
  const startedAt = performance.now()
  let delay = config.fastRetry.initial
  while (!closing.aborted) {
    let error: AgentError
    try {
      await joinOnce(context, connId, { mode: 'background', signal: closing })
      return
    } catch (thrown) {
      if (closing.aborted) return
      error = toAgentError(thrown)
    }
    if (!isTemporary(error) && !isHostError(error)) {
      await abandonJoin(context, connId)
      await outlet.put({ event: 'ERR', connId, error })
      return
    }
    await pause(delay, closing).catch(() => undefined)
    delay = nextDelay(config.fastRetry, performance.now() - startedAt, delay)
  }
}

function joinOnce(context: AgentContext, connId: string, request: JoinRequest): Promise<void> {
  return context.locks.withConnLock(
    connId,
    async () => {
      const join = context.store.read((db) => getJoin(db, connId))
      if (!join) return
      const target = decode(connectionRequestCodec, join.connectionRequest)
      if (target.mode === 'invitation') await joinInvitation(context, join, request)
      else await joinContact(context, join, target, request)
    },
    request.signal,
  )
}

/** Steps 2 to 4 of `spec/agent.md §5.1`. */
async function joinInvitation(context: AgentContext, join: JoinRecord, request: JoinRequest): Promise<void> {
  const { store, clients } = context
  const { connId } = join
  if (isAnswered(context, connId)) return finishJoin(context, connId)
  let sndQueue = requireSndQueue(context, connId)
  if (sndQueue.queueMode === 'messaging' && sndQueue.status === 'new') {
    const client = await clients.get(sndQueue.server, request)
    await client.secureBySender(sndQueue.sndId, sndQueue.sndPrivateKey, request)
    await store.transaction((db) => setSndQueueStatus(db, sndQueue.sndQueueId, 'secured'))
    sndQueue = requireSndQueue(context, connId)
  }
  const rcvQueue = await replyQueue(context, connId, sndQueue, request.signal)
  const envelope = join.envelope ?? (await storeConfirmation(context, join, rcvQueue, sndQueue))
  await sendConfirmation(context, sndQueue, envelope, join.envelope !== undefined, request)
  await finishJoin(context, connId)
}

/**
 * Sends the confirmation: authorised when the queue is secured already, else with the key to secure it.
 * @param again it was sent before, perhaps with success: then the peer may have secured the queue with that key
 */
async function sendConfirmation(
  { clients }: AgentContext,
  queue: SndQueueRecord,
  envelope: Uint8Array,
  again: boolean,
  request: JoinRequest,
): Promise<void> {
  const { sndId, sndPrivateKey: key } = queue
  const secured = queue.status === 'secured'
  const client = await clients.get(queue.server, request)
  const message = { sndId, notification: true, body: sealConfirmation(queue, envelope, secured) }
  try {
    await client.send({ ...message, ...(secured && { key }) }, request)
  } catch (error) {
    request.signal.throwIfAborted()
    if (secured || !again || !isSmpError(toAgentError(error), 'AUTH')) throw error
    await client.send({ ...message, key }, request)
  }
}

/** True when the peer's answer is here already: an earlier try got through without this side hearing of it. */
function isAnswered({ store }: AgentContext, connId: string): boolean {
  return store.read((db) => rcvQueuesOf(db, connId)).some(({ status }) => status !== 'new')
}

function finishJoin({ store }: AgentContext, connId: string): Promise<void> {
  return store.transaction((db) => {
    // The answer to the confirmation may have been processed before the router's answer.
    const [current] = sndQueuesOf(db, connId)
    if (current && current.status !== 'active') setSndQueueStatus(db, current.sndQueueId, 'confirmed')
    removeJoin(db, connId)
  })
}

/** Makes the confirmation once: it is sent again with the same bytes. */
function storeConfirmation(
  { store, config }: AgentContext,
  { connId, info }: JoinRecord,
  rcvQueue: RcvQueueRecord,
  sndQueue: SndQueueRecord,
): Promise<Uint8Array> {
  return store.lockConnForUpdate(connId, (db) => {
    const params = getSndE2eParams(db, connId)
    if (!params) throw connError('NOT_AVAILABLE', 'join')
    const reply = smpQueueInfoOf(queueUriOf(rcvQueue, config.clientVersions), sndQueue.clientVersion)
    const content = { type: 'connInfoReply', queues: [reply], connInfo: info } as const
    const { envelope } = makeConfirmation(db, config, connId, content, params)
    setJoinEnvelope(db, connId, envelope)
    forgetSndE2eParams(db, connId)
    return envelope
  })
}

/** `spec/agent.md §5.3`: sends an own invitation to the address. */
async function joinContact(
  context: AgentContext,
  join: JoinRecord,
  target: ContactRequest,
  request: JoinRequest,
): Promise<void> {
  const { store, clients, config } = context
  const { connId } = join
  if (isAnswered(context, connId)) return store.transaction((db) => removeJoin(db, connId))
  const [contactQueue] = target.queues
  const rcvQueue = await replyQueue(context, connId, contactQueue, request.signal)
  const envelope = join.envelope ?? (await storeInvitation(context, join, rcvQueue))
  const clientVersion = Math.min(contactQueue.versions.max, config.clientVersions.max)
  const client = await clients.get(contactQueue.server, request)
  await client.send(
    {
      sndId: contactQueue.senderId,
      notification: true,
      body: sealInvitation(contactQueue.dhKey, clientVersion, envelope),
    },
    request,
  )
  await store.transaction((db) => removeJoin(db, connId))
}

function storeInvitation(
  context: AgentContext,
  { connId, info }: JoinRecord,
  rcvQueue: RcvQueueRecord,
): Promise<Uint8Array> {
  const { store, config } = context
  return store.lockConnForUpdate(connId, (db, { agentVersion }) => {
    const keys = getX3dhKeys(db, connId)
    const request = keys && connectionRequestOf(context, queueUriOf(rcvQueue, config.clientVersions), keys)
    if (request?.mode !== 'invitation') throw connError('NOT_AVAILABLE', 'join')
    const envelope = encode(agentEnvelopeCodec, { type: 'invitation', agentVersion, request, connInfo: info })
    setJoinEnvelope(db, connId, envelope)
    return envelope
  })
}

/** The own queue of the connection, made when there is none. */
async function replyQueue(
  context: AgentContext,
  connId: string,
  { server }: Pick<SmpQueueUri, 'server'>,
  signal: AbortSignal,
): Promise<RcvQueueRecord> {
  const { store, subscriptions } = context
  const [existing] = store.read((db) => rcvQueuesOf(db, connId))
  if (existing) {
    // A failure to subscribe is the business of the subscription manager.
    await subscriptions.subscribe([existing], signal)
    return existing
  }
  const made = await makeQueue(context, {
    connId,
    mode: 'invitation',
    server: chooseServer(context.servers, [server]),
    signal,
  })
  const queue = await store.lockConnForUpdate(connId, (db) => insertRcvQueue(db, made.queue))
  subscriptions.addActive(queue, made.client)
  return queue
}

function requireSndQueue({ store }: AgentContext, connId: string): SndQueueRecord {
  const [queue] = store.read((db) => sndQueuesOf(db, connId))
  if (!queue) throw connError('NOT_AVAILABLE', 'join')
  return queue
}

/** The peer's router refused: nothing can come of the connection. */
async function abandonJoin(context: AgentContext, connId: string): Promise<void> {
  const { store, config, subscriptions } = context
  const effects = new Effects()
  const queues = await store.transaction((db) => {
    if (!getConnection(db, connId)) return []
    removeJoin(db, connId)
    unacceptInvitation(db, connId)
    updateConnection(db, connId, { deletedAt: config.now() })
    return deleteQueues(db, connId, effects)
  })
  for (const queue of queues) subscriptions.remove(queue)
  applyEffects(context, effects)
}
