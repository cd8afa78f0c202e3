import { CryptoError, dh, openBox } from '@parley/core/crypto'
import { DecodeError, decode } from '@parley/core/encoding'
import { clientMessageCodec, clientMessageEnvelopeCodec, type DhKey, rcvMessageBodyCodec } from '@parley/smp/protocol'
import type { AgentContext } from '../agent-context.ts'
import { AgentError } from '../agent-error.ts'
import { messageError, prohibited, readPeer, toAgentError, versionError } from '../client-errors.ts'
import { Effects } from '../effects.ts'
import { acceptsClientVersion, agentEnvelopeCodec } from '../protocol/index.ts'
import { getConnection } from '../store/connections.ts'
import { getRcvQueue } from '../store/rcv-queues.ts'
import type { RcvQueueRecord } from '../store/records.ts'
import { StoreError } from '../store/store-error.ts'
import { ackByAgent, type MessageRef } from './ack.ts'
import { receiveAgentMessage } from './receive-agent-message.ts'
import { receiveConfirmation } from './receive-confirmation.ts'
import { receiveInvitation } from './receive-invitation.ts'
import { receiveQuotaMarker } from './receive-quota.ts'
import type { OpenedEnvelope, Received, RouterMessage } from './received.ts'

/**
 * Processes one message of a queue, with the connection's lock held: every outcome but a failing store ends with
 * an acknowledgement, at once or when the application gives it. What is wrong with the message becomes an event.
 */
export async function receiveMessage(
  context: AgentContext,
  rcvQueueId: number,
  message: RouterMessage,
): Promise<Effects> {
  const { store, closing } = context
  const effects = new Effects()
  const queue = store.read((db) => getRcvQueue(db, rcvQueueId))
  const connection = queue && store.read((db) => getConnection(db, queue.connId))
  if (!queue || !connection || connection.deletedAt !== undefined) return effects
  const ref = { connId: queue.connId, rcvQueueId, brokerId: message.msgId }
  try {
    await process(context, { connection, queue, ref }, message, effects)
    return effects
  } catch (error) {
    for (const undone of effects.whenUndone) undone()
    if (closing.aborted || error instanceof StoreError) throw error
    return refuse(context, ref, toAgentError(error))
  }
}

/** Tells the application of a message that cannot be used, and the router that it is done. */
async function refuse({ store }: AgentContext, ref: MessageRef, error: AgentError): Promise<Effects> {
  const effects = new Effects()
  effects.emit({ event: 'ERR', connId: ref.connId, error })
  const exists = await store.transaction((db) => {
    const connection = getConnection(db, ref.connId)
    if (!connection || connection.deletedAt !== undefined) return false
    ackByAgent(db, ref, effects)
    return true
  })
  return exists ? effects : new Effects()
}

async function process(
  context: AgentContext,
  target: Pick<Received, 'connection' | 'queue' | 'ref'>,
  { msgId, encrypted }: RouterMessage,
  effects: Effects,
): Promise<void> {
  const { queue } = target
  const content = openPeerBox(() => decode(rcvMessageBodyCodec, openBox(queue.rcvDhSecret, msgId, encrypted)))
  const brokerTs = Number(content.timestamp) * 1000
  if (content.type === 'quota') return receiveQuotaMarker(context, target, effects)
  const received: Received = { ...target, brokerTs, notification: content.notification }
  const { version, senderKey, nonce, encrypted: box } = readPeer(() => decode(clientMessageEnvelopeCodec, content.body))
  if (!acceptsClientVersion(version, context.config.clientVersions, queue.clientVersion)) throw versionError()
  const secret = senderKey ? dhWithSender(queue, senderKey) : queue.e2eDhSecret
  if (!secret) throw prohibited('message before confirmation')
  const message = openPeerBox(() => decode(clientMessageCodec, openBox(secret, nonce, box)))
  const envelope = readPeer(() => decode(agentEnvelopeCodec, message.body))
  const opened: OpenedEnvelope = { envelope, clientVersion: version, message, secret }
  if (senderKey) await receiveFirst(context, received, opened, effects)
  else await receiveNext(context, received, opened, effects)
}

/** A message that carries the sender's key: the first one to the queue, or its repetition. */
async function receiveFirst(
  context: AgentContext,
  received: Received,
  opened: OpenedEnvelope,
  effects: Effects,
): Promise<void> {
  const { envelope } = opened
  const { queue, connection, ref } = received
  if (queue.e2eDhSecret) {
    if (envelope.type !== 'confirmation') throw prohibited('key in a message after confirmation')
    // The sender did not hear that it was stored, or this side's acknowledgement was lost.
    await context.store.lockConnForUpdate(connection.connId, (db) => ackByAgent(db, ref, effects))
    return
  }
  if (envelope.type === 'confirmation' && connection.mode === 'invitation') {
    return receiveConfirmation(context, received, { ...opened, envelope }, effects)
  }
  if (envelope.type === 'invitation' && connection.mode === 'contact' && !opened.message.sndAuthKey) {
    return receiveInvitation(context, received, envelope, effects)
  }
  throw prohibited(`${envelope.type} as the first message`)
}

async function receiveNext(
  context: AgentContext,
  received: Received,
  { envelope, message }: OpenedEnvelope,
  effects: Effects,
): Promise<void> {
  if (message.sndAuthKey) throw prohibited('sender key after confirmation')
  if (envelope.type === 'message') return receiveAgentMessage(context, received, envelope, effects)
  throw prohibited(`${envelope.type} after confirmation`)
}

function dhWithSender({ e2ePrivateKey }: RcvQueueRecord, senderKey: DhKey): Uint8Array {
  return openPeerBox(() => dh(e2ePrivateKey, senderKey))
}

/** Errors below the ratchet: `spec/agent.md §8`. */
function openPeerBox<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (error instanceof DecodeError) throw messageError(error)
    if (!(error instanceof CryptoError)) throw error
    throw new AgentError(
      { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: 'DECRYPT_CB' } } },
      { cause: error },
    )
  }
}
