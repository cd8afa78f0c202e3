import type { PrivateKey } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import { connError, toCryptoAgentError, versionError } from '../client-errors.ts'
import {
  type ConnectionRequest,
  type ContactRequest,
  connectionRequestCodec,
  type InvitationRequest,
  type SmpQueueUri,
  smpQueueInfoOf,
} from '../links/index.ts'
import { agreeConnectionVersions, pqSupported } from '../protocol/index.ts'
import {
  e2eParamsNeedKemKeyPair,
  e2eParamsOfVersion,
  generateRcvE2eParams,
  generateSndE2eParams,
  initSndRatchet,
  x3dhSnd,
} from '../ratchet/index.ts'
import { getConnection, insertConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { findJoin, insertJoin, restartJoin } from '../store/joins.ts'
import { getX3dhKeys, insertSndRatchet, insertX3dhKeys } from '../store/ratchets.ts'
import type { SndQueueRecord } from '../store/records.ts'
import { findSndQueue, findSndQueueByKey, insertSndQueue } from '../store/snd-queues.ts'
import { checkConnInfo, newSndQueue } from './allow.ts'
import { newId } from './ids.ts'
import { e2eParamsToOffer, infoFor, keyAgreementHash, type OwnInfo } from './own-info.ts'

/** Bytes of a reply queue in the confirmation, at most: the joiner's own router's address and keys. */
const REPLY_QUEUE_ROOM = 1000

/** A request to connect with what this side answers to it. */
export interface JoinIntent<R extends ConnectionRequest = ConnectionRequest> {
  readonly request: R
  readonly info: OwnInfo
  readonly pq: boolean
  /** Key with which the queue was secured when its one-time link was opened. */
  readonly sndPrivateKey?: PrivateKey<'ed25519'> | undefined
  /** Stores more together with the new connection. */
  readonly onStored?: (db: Db, connId: string) => void
  readonly signal?: AbortSignal | undefined
}

/**
 * Stores everything that joining needs, keys included, before the first network call. A request that is being joined
 * already goes on with the keys that it has: a router accepts no others. An invitation that is joined but not connected
 * yet gives the same connection again.
 * @returns the connection
 * @throws AgentError A_VERSION, CMD LARGE; CONN DUPLICATE when this agent is or was connected by the invitation
 */
export async function prepareJoin(context: AgentContext, intent: JoinIntent): Promise<string> {
  const { request } = intent
  const resumed = await resumeJoin(context, intent)
  if (resumed !== undefined) return resumed
  return request.mode === 'invitation'
    ? prepareInvitation(context, { ...intent, request })
    : prepareContact(context, { ...intent, request })
}

async function resumeJoin(
  { store, config }: AgentContext,
  { request, info, onStored }: JoinIntent,
): Promise<string | undefined> {
  const encoded = encode(connectionRequestCodec, request)
  const unfinished = store.read((db) => findJoin(db, encoded))
  if (!unfinished) return undefined
  const { connId } = unfinished
  await store.lockConnForUpdate(connId, (db) => {
    const keys = request.mode === 'contact' ? getX3dhKeys(db, connId) : undefined
    const keyAgreement = keys && keyAgreementHash(e2eParamsToOffer(config, keys))
    restartJoin(db, connId, infoFor(info, { connId, db, ...(keyAgreement && { keyAgreement }) }))
    onStored?.(db, connId)
  })
  return connId
}

async function prepareInvitation(
  context: AgentContext,
  { request, info: ownInfo, pq, sndPrivateKey, onStored, signal }: JoinIntent<InvitationRequest>,
): Promise<string> {
  const { config, store, kem } = context
  const [queueUri] = request.queues
  const joined = store.read((db) => joinedBefore(db, queueUri))
  if (joined !== undefined) return joined
  const versions = agreeVersions(context, request)
  const pqSupport = pqSupported(pq, versions)
  let connId = newId()
  const generate = { version: versions.e2e, pq: pqSupport }
  const sndQueue = newSndQueue(
    connId,
    smpQueueInfoOf(queueUri, versions.smpClient),
    config.clientVersions.max,
    sndPrivateKey,
  )
  await kem.withPair(
    e2eParamsNeedKemKeyPair(generate),
    async (random) => {
      const peer = e2eParamsOfVersion(request.e2eParams, versions.e2e)
      const { keys, params } = toCryptoAgentError(() => generateSndE2eParams(generate, peer, random))
      const agreed = toCryptoAgentError(() => x3dhSnd(keys, peer))
      const ratchet = initSndRatchet({
        versions: { current: versions.e2e, maxSupported: config.e2eVersions.max },
        peerDhKey: peer.key2,
        dhKey: random.dhKey(peer.key2.algorithm),
        agreed,
      })
      await store.transaction((db) => {
        // The same call may have come twice at once.
        const first = joinedBefore(db, queueUri)
        if (first !== undefined) {
          connId = first
          return
        }
        const info = infoFor(ownInfo, { connId, db })
        checkConnInfo(versions.agent, pqSupport, info, REPLY_QUEUE_ROOM)
        insertNew(context, db, connId, versions.agent, pqSupport)
        insertSndRatchet(db, connId, ratchet, params)
        insertSndQueue(db, { ...sndQueue, ...(sndPrivateKey && { status: 'secured' }) })
        insertJoin(db, { connId, connectionRequest: encode(connectionRequestCodec, request), info })
        onStored?.(db, connId)
      })
    },
    signal,
  )
  return connId
}

/** The connection that this invitation was joined with before: see {@link connectionUnderWay}. */
function joinedBefore(db: Db, { server, senderId }: SmpQueueUri): string | undefined {
  return connectionUnderWay(db, findSndQueue(db, server, senderId))
}

/**
 * The connection of a queue that this agent joined before. An application that did not hear of it, because it or the
 * agent crashed, joins again; once connected a second join is a mistake.
 * @throws AgentError CONN DUPLICATE
 */
function connectionUnderWay(db: Db, queue: SndQueueRecord | undefined): string | undefined {
  if (!queue) return undefined
  const connection = getConnection(db, queue.connId)
  if (!connection || connection.connectedAt !== undefined || connection.deletedAt !== undefined) {
    throw connError('DUPLICATE', 'link')
  }
  return connection.connId
}

/**
 * The connection that was joined by a one-time short link. Its router deletes the link with the first message, so that
 * it cannot be opened once more.
 * @param sndPrivateKey the key that opened the link
 * @throws AgentError CONN DUPLICATE
 */
export async function resumeByKey(
  { store }: AgentContext,
  sndPrivateKey: PrivateKey<'ed25519'>,
  info: OwnInfo,
): Promise<string | undefined> {
  const connId = store.read((db) => connectionUnderWay(db, findSndQueueByKey(db, sndPrivateKey)))
  if (connId === undefined) return undefined
  await store.lockConnForUpdate(connId, (db) => restartJoin(db, connId, infoFor(info, { connId, db })))
  return connId
}

/** `spec/agent.md §5.3`: the requester makes an invitation of its own, which the owner of the address joins. */
async function prepareContact(
  context: AgentContext,
  { request, info: ownInfo, pq, onStored, signal }: JoinIntent<ContactRequest>,
): Promise<string> {
  const { config, store, kem } = context
  const agentVersion = agreeContactVersion(context, request)
  const pqSupport = pqSupported(pq, { agent: agentVersion, e2e: config.e2eVersions.max })
  const generate = { version: config.e2eVersions.max, pq: pqSupport }
  const connId = newId()
  await kem.withPair(
    e2eParamsNeedKemKeyPair(generate),
    async (random) => {
      const { keys } = generateRcvE2eParams(generate, random)
      const keyAgreement = keyAgreementHash(e2eParamsToOffer(config, keys))
      await store.transaction((db) => {
        const info = infoFor(ownInfo, { connId, db, keyAgreement })
        checkConnInfo(agentVersion, pqSupport, info, REPLY_QUEUE_ROOM)
        insertNew(context, db, connId, agentVersion, pqSupport)
        insertX3dhKeys(db, connId, keys)
        insertJoin(db, { connId, connectionRequest: encode(connectionRequestCodec, request), info })
        onStored?.(db, connId)
      })
    },
    signal,
  )
  return connId
}

function insertNew({ config }: AgentContext, db: Db, connId: string, agentVersion: number, pqSupport: boolean): void {
  insertConnection(db, { connId, mode: 'invitation', agentVersion, pqSupport, createdAt: config.now() })
}

function agreeVersions({ config }: AgentContext, request: InvitationRequest) {
  const versions = agreeConnectionVersions(
    { agent: config.agentVersions, e2e: config.e2eVersions, smpClient: config.clientVersions },
    {
      agent: request.agentVersions,
      e2e: request.e2eParams.versions,
      smpClient: request.queues[0].versions,
    },
  )
  if (!versions) throw versionError()
  return versions
}

function agreeContactVersion({ config }: AgentContext, request: ContactRequest): number {
  const versions = agreeConnectionVersions(
    { agent: config.agentVersions, e2e: config.e2eVersions, smpClient: config.clientVersions },
    { agent: request.agentVersions, e2e: config.e2eVersions, smpClient: request.queues[0].versions },
  )
  if (!versions) throw versionError()
  return versions.agent
}
