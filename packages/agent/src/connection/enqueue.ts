import { sha256 } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { connError, toCryptoAgentError } from '../client-errors.ts'
import type { AgentConfig } from '../config.ts'
import type { Effects } from '../effects.ts'
import {
  AGENT_GATES,
  type AgentMessage,
  type AMessage,
  agentEnvelopeCodec,
  agentMessageCodec,
  agentMessageTag,
  aMessageCodec,
  paddedAgentMessageLength,
  paddedConnInfoLength,
} from '../protocol/index.ts'
import { checkBodyFits, type E2eParams, encryptBody, encryptHeader, messageEncryptKeyCodec } from '../ratchet/index.ts'
import { requireConnection } from '../store/agent-store.ts'
import { setLastSent, takeMsgId, updateConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { getRatchet, updateRatchet } from '../store/ratchets.ts'
import type { ConnectionRecord, SndQueueRecord } from '../store/records.ts'
import { insertBody } from '../store/snd-bodies.ts'
import { insertDelivery, insertSndMessage } from '../store/snd-messages.ts'

/** An encoded message that several connections may share: stored once. */
export class SharedBody {
  readonly message: AMessage
  #bodyId: number | undefined

  constructor(message: AMessage) {
    this.message = message
  }

  /** Stores the body with its first message. */
  idIn(db: Db): number {
    this.#bodyId ??= insertBody(db, encode(aMessageCodec, this.message))
    return this.#bodyId
  }
}

/** A message to send. */
export interface OutgoingMessage {
  readonly body: SharedBody
  /** True turns post-quantum encryption on, false off; absent leaves it as it is. */
  readonly pq?: boolean | undefined
  readonly notification: boolean
}

/**
 * Gives a message its place in the sequence, encrypts its header and queues it for delivery: `spec/agent.md §0`, A2.
 * Checks come first, so that a message that cannot be sent changes nothing.
 * @param connection as the transaction has it now
 * @param queues ids of those to deliver to, at least one
 * @returns the id for the application and whether it is sent with post-quantum encryption
 * @throws AgentError CMD LARGE, CONN SIMPLEX
 */
export function enqueueMessage(
  db: Db,
  { now, e2eVersions }: AgentConfig,
  connection: ConnectionRecord,
  queues: readonly number[],
  { body, pq, notification }: OutgoingMessage,
  effects: Effects,
): { msgId: number; pq: boolean } {
  const { connId } = connection
  const ratchet = getRatchet(db, connId)
  if (queues.length === 0 || !ratchet?.sending) throw connError('SIMPLEX', 'send')
  const pqSupport = connection.pqSupport || (pq === true && connection.agentVersion >= AGENT_GATES.pq)
  const paddedLength = paddedAgentMessageLength(connection.agentVersion, pqSupport)
  const sndMsgId = connection.lastSndMsgId + 1
  const prevHash = connection.lastSndMsgHash
  const agentMessage: AgentMessage = {
    type: 'message',
    msgId: BigInt(sndMsgId),
    prevMsgHash: prevHash,
    message: body.message,
  }
  const encoded = encode(agentMessageCodec, agentMessage)
  toCryptoAgentError(() => checkBodyFits(paddedLength, encoded.length))
  const { encryptKey, ratchet: advanced } = encryptHeader(ratchet, { pq, maxVersion: e2eVersions.max })
  updateRatchet(db, connId, advanced)
  if (pqSupport !== connection.pqSupport) updateConnection(db, connId, { pqSupport })
  const hash = sha256(encoded)
  setLastSent(db, connId, sndMsgId, hash)
  const msgId = takeMsgId(db, connId)
  insertSndMessage(db, {
    connId,
    msgId,
    sndMsgId,
    msgType: agentMessageTag(agentMessage),
    prevHash,
    hash,
    bodyId: body.idIn(db),
    encryptKey: encode(messageEncryptKeyCodec, encryptKey),
    paddedLength,
    notification,
    pq: advanced.sndKem,
    createdAt: now(),
  })
  for (const sndQueueId of queues) {
    insertDelivery(db, connId, msgId, sndQueueId)
    effects.deliver(sndQueueId)
  }
  return { msgId, pq: advanced.sndKem }
}

/** A message of the agent itself, with its place in the sequence. */
export interface Confirmation {
  readonly msgId: number
  readonly sndMsgId: number
  readonly prevHash: Uint8Array
  readonly hash: Uint8Array
  /** The whole agent envelope, encrypted: sent again as it is. */
  readonly envelope: Uint8Array
  readonly pq: boolean
}

/**
 * Makes the first message to the peer: `spec/agent.md §5.1`, steps 4 and 6. It counts as message 1 of the sequence.
 * @param e2eParams of the joiner
 * @throws AgentError CMD LARGE when the information does not fit
 */
export function makeConfirmation(
  db: Db,
  { e2eVersions }: AgentConfig,
  connId: string,
  content: AgentMessage,
  e2eParams?: E2eParams,
): Confirmation {
  const connection = requireConnection(db, connId)
  const ratchet = getRatchet(db, connId)
  if (!ratchet) throw connError('SIMPLEX', 'confirm')
  const { agentVersion, pqSupport, lastSndMsgHash: prevHash } = connection
  const encoded = encode(agentMessageCodec, content)
  const { encryptKey, ratchet: advanced } = encryptHeader(ratchet, { maxVersion: e2eVersions.max })
  const encConnInfo = toCryptoAgentError(() =>
    encryptBody(encryptKey, paddedConnInfoLength(agentVersion, pqSupport), encoded),
  )
  updateRatchet(db, connId, advanced)
  const hash = sha256(encoded)
  const sndMsgId = connection.lastSndMsgId + 1
  setLastSent(db, connId, sndMsgId, hash)
  const envelope = encode(agentEnvelopeCodec, {
    type: 'confirmation',
    agentVersion,
    ...(e2eParams && { e2eParams }),
    encConnInfo,
  })
  return { msgId: takeMsgId(db, connId), sndMsgId, prevHash, hash, envelope, pq: advanced.sndKem }
}

/** Queues a confirmation for delivery: the initiator's. */
export function enqueueConfirmation(
  db: Db,
  config: AgentConfig,
  queue: SndQueueRecord,
  connInfo: Uint8Array,
  effects: Effects,
): void {
  const { connId, sndQueueId } = queue
  const content = { type: 'connInfo', connInfo } as const
  const { envelope, ...message } = makeConfirmation(db, config, connId, content)
  insertSndMessage(db, {
    ...message,
    connId,
    msgType: agentMessageTag(content),
    bodyId: insertBody(db, envelope),
    paddedLength: 0,
    notification: true,
    createdAt: config.now(),
  })
  insertDelivery(db, connId, message.msgId, sndQueueId)
  effects.deliver(sndQueueId)
}
