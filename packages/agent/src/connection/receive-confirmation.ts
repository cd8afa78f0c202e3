import { sha256 } from '@parley/core/crypto'
import { decode } from '@parley/core/encoding'
import { isCompatible } from '@parley/core/version'
import { formatSmpServer } from '@parley/smp/protocol'
import type { AgentContext } from '../agent-context.ts'
import { AgentError, agentErrorOfCrypto } from '../agent-error.ts'
import { prohibited, readPeer, toCryptoAgentError, versionError } from '../client-errors.ts'
import type { Effects } from '../effects.ts'
import type { AgentEventOf } from '../events.ts'
import {
  type AgentEnvelope,
  type AgentMessage,
  agentMessageCodec,
  pqSupported,
  raisedAgentVersion,
} from '../protocol/index.ts'
import {
  decryptOpened,
  type E2eParams,
  initRcvRatchet,
  openMessage,
  SkippedKeyMap,
  type X3dhKeys,
  x3dhRcv,
} from '../ratchet/index.ts'
import { insertCommand } from '../store/commands.ts'
import { type ConfirmationRecord, insertConfirmation } from '../store/confirmations.ts'
import { setLastReceived, updateConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { insertEncryptedHash } from '../store/dedup.ts'
import { getX3dhKeys, startRatchet, updateSkippedKeys } from '../store/ratchets.ts'
import { updateRcvQueue } from '../store/rcv-queues.ts'
import { setSndQueueStatus, sndQueuesOf } from '../store/snd-queues.ts'
import { ackByAgent } from './ack.ts'
import { decryptForUpdate } from './decrypt.ts'
import { connected } from './delivered.ts'
import { newId } from './ids.ts'
import type { OpenedEnvelope, Received } from './received.ts'
import { decodeReplyQueues, encodeReplyQueues } from './reply-queues.ts'

type ConfirmationEnvelope = Extract<AgentEnvelope, { type: 'confirmation' }>

/** An opened envelope that holds a confirmation. */
export type OpenedConfirmation = Omit<OpenedEnvelope, 'envelope'> & { readonly envelope: ConfirmationEnvelope }

/** The confirmation's number in its sender's sequence. */
const CONFIRMATION_ID = 1n

/** The first message of the peer: the joiner's starts the ratchet, the initiator's answers it. */
export async function receiveConfirmation(
  context: AgentContext,
  received: Received,
  opened: OpenedConfirmation,
  effects: Effects,
): Promise<void> {
  const { envelope, message } = opened
  const { queue, connection } = received
  // Without the sender's key here the sender must have secured the queue itself.
  if (!message.sndAuthKey && queue.queueMode !== 'messaging') throw prohibited('confirmation without a sender key')
  const { agentVersions } = context.config
  if (!isCompatible(envelope.agentVersion, agentVersions) && envelope.agentVersion > connection.agentVersion) {
    throw versionError()
  }
  if (envelope.e2eParams) await receiveFromJoiner(context, received, opened, envelope.e2eParams, effects)
  else await receiveFromInitiator(context, received, opened, effects)
}

/** Step 5 of `spec/agent.md §5.1`: agrees the ratchet, asks the application. */
async function receiveFromJoiner(
  context: AgentContext,
  received: Received,
  { envelope, message, secret, clientVersion }: OpenedConfirmation,
  params: E2eParams,
  effects: Effects,
): Promise<void> {
  const { store, config, kem, closing } = context
  const { queue, ref, connection } = received
  const { connId } = connection
  const keys = store.read((db) => getX3dhKeys(db, connId))
  if (!keys) throw prohibited('confirmation of a joined connection')
  if (!isCompatible(params.version, config.e2eVersions)) throw versionError()
  const agentVersion = Math.min(envelope.agentVersion, config.agentVersions.max)
  const pqSupport = pqSupported(connection.pqSupport, { agent: agentVersion, e2e: params.version })
  const opened = openFirst(context, keys, params, pqSupport, envelope.encConnInfo)
  await kem.withPair(
    opened.needsKemKeyPair,
    async (random) => {
      const { outcome, ratchet, skippedKeys } = toCryptoAgentError(() => decryptOpened(opened, random))
      if (!outcome.ok) throw new AgentError(agentErrorOfCrypto(outcome.error))
      const { queues, connInfo } = readConnInfoReply(outcome.body)
      await store.lockConnForUpdate(connId, (db) => {
        updateConnection(db, connId, { agentVersion, pqSupport })
        startRatchet(db, connId, ratchet)
        updateSkippedKeys(db, connId, skippedKeys)
        setLastReceived(db, connId, CONFIRMATION_ID, sha256(outcome.body))
        insertEncryptedHash(db, connId, sha256(envelope.encConnInfo))
        updateRcvQueue(db, queue.rcvQueueId, {
          e2eDhSecret: secret,
          ...(message.sndAuthKey && { sndKey: message.sndAuthKey }),
          clientVersion: Math.min(clientVersion, config.clientVersions.max),
          status: 'confirmed',
        })
        const confirmation = {
          confirmationId: newId(),
          connId,
          replyQueues: encodeReplyQueues(queues),
          peerInfo: connInfo,
          pq: pqSupport,
        }
        insertConfirmation(db, confirmation)
        ackByAgent(db, ref, effects)
        effects.emit(confirmationEvent(confirmation))
      })
    },
    closing,
  )
}

function openFirst(
  { config, kem }: Pick<AgentContext, 'config' | 'kem'>,
  keys: X3dhKeys,
  params: E2eParams,
  pqSupport: boolean,
  encConnInfo: Uint8Array,
) {
  return toCryptoAgentError(() => {
    const agreed = x3dhRcv(keys, params, kem.withoutPair())
    const versions = { current: params.version, maxSupported: config.e2eVersions.max }
    const ratchet = initRcvRatchet({ versions, dhKey: keys.key2, agreed, pqSupport })
    return openMessage(ratchet, new SkippedKeyMap(), encConnInfo)
  })
}

/** Step 7 of `spec/agent.md §5.1` at the joiner; in the slow handshake it secures its queue now. */
async function receiveFromInitiator(
  context: AgentContext,
  { connection: { connId }, queue, ref }: Received,
  { envelope, message, secret, clientVersion }: OpenedConfirmation,
  effects: Effects,
): Promise<void> {
  const { config } = context
  const failure = await decryptForUpdate(context, connId, envelope.encConnInfo, (db, connection, decrypted) => {
    if (!decrypted.ok) return new AgentError(agentErrorOfCrypto(decrypted.error))
    const content = tryRead(decrypted.body)
    if (content?.type !== 'connInfo') return prohibited('confirmation without information')
    const agentVersion = raisedAgentVersion(connection.agentVersion, envelope.agentVersion, config.agentVersions)
    updateConnection(db, connId, { agentVersion })
    setLastReceived(db, connId, CONFIRMATION_ID, sha256(decrypted.body))
    insertEncryptedHash(db, connId, sha256(envelope.encConnInfo))
    updateRcvQueue(db, queue.rcvQueueId, {
      e2eDhSecret: secret,
      ...(message.sndAuthKey && { sndKey: message.sndAuthKey }),
      clientVersion: Math.min(clientVersion, config.clientVersions.max),
      status: message.sndAuthKey ? 'confirmed' : 'active',
    })
    ackByAgent(db, ref, effects)
    effects.emitDurable(db, { event: 'INFO', connId, info: content.connInfo, pq: connection.pqSupport })
    if (message.sndAuthKey) {
      insertCommand(db, connId, { type: 'DUPLEX_SECURE', rcvQueueId: queue.rcvQueueId })
      effects.runCommands(connId)
      return undefined
    }
    activateSndQueues(db, connId)
    connected(db, config, connId, decrypted.pq, effects)
    return undefined
  })
  if (failure) throw failure
}

function activateSndQueues(db: Db, connId: string): void {
  for (const { sndQueueId } of sndQueuesOf(db, connId)) setSndQueueStatus(db, sndQueueId, 'active')
}

function readConnInfoReply(body: Uint8Array): Extract<AgentMessage, { type: 'connInfoReply' }> {
  const content = readPeer(() => decode(agentMessageCodec, body))
  if (content.type !== 'connInfoReply') throw prohibited('confirmation without a reply queue')
  return content
}

function tryRead(body: Uint8Array): AgentMessage | undefined {
  try {
    return readPeer(() => decode(agentMessageCodec, body))
  } catch (error) {
    if (error instanceof AgentError) return undefined
    throw error
  }
}

/** The event of a confirmation that waits for the application's answer. */
export function confirmationEvent(
  confirmation: Omit<ConfirmationRecord, 'accepted' | 'ownInfo'>,
): AgentEventOf<'CONF'> {
  const { connId, confirmationId, peerInfo, pq, replyQueues } = confirmation
  const servers = decodeReplyQueues(replyQueues).map(({ server }) => formatSmpServer(server))
  return { event: 'CONF', connId, confId: confirmationId, info: peerInfo, pq, servers }
}
