import { authKeyCodec } from '@parley/core/crypto'
import type { ByteReader, ByteWriter, Codec } from '@parley/core/encoding'
import type { AuthKey } from '@parley/smp/protocol'
import {
  type QueueRef,
  queueRefCodec,
  type SmpQueueInfo,
  type SmpQueueUri,
  smpQueueInfoCodec,
  smpQueueUriCodec,
} from '../links/queue-address.ts'

type NonEmpty<T> = readonly [T, ...T[]]

/** Says that a message was received. */
export interface MessageReceipt {
  /** The id that the message's sender gave it. */
  readonly msgId: bigint
  /** SHA-256 of the decrypted agent message. */
  readonly msgHash: Uint8Array
  /** Of the application. */
  readonly info: Uint8Array
}

/** A queue that its recipient adds, with the one it replaces. */
export interface AddedQueue {
  readonly queue: SmpQueueUri
  readonly replaces?: QueueRef
}

/** The sender's keys for an added queue: its DH key is in the address. */
export interface QueueKey {
  readonly queue: SmpQueueInfo
  readonly senderKey: AuthKey
}

/** A queue that may be used from now on. */
export interface UsedQueue {
  readonly queue: QueueRef
  readonly primary: boolean
}

/** What a message between agents says: `spec/agent.md §3.3`. Of a list only the first item is acted on. */
export type AMessage =
  /** The queue is secured. */
  | { readonly type: 'HELLO' }
  /** A message of the user. */
  | { readonly type: 'A_MSG'; readonly body: Uint8Array }
  | { readonly type: 'A_RCVD'; readonly receipts: NonEmpty<MessageReceipt> }
  /** Sending may go on: the queue was emptied. */
  | { readonly type: 'A_QCONT'; readonly queue: QueueRef }
  | { readonly type: 'QADD'; readonly queues: NonEmpty<AddedQueue> }
  | { readonly type: 'QKEY'; readonly queues: NonEmpty<QueueKey> }
  | { readonly type: 'QUSE'; readonly queues: NonEmpty<UsedQueue> }
  | { readonly type: 'QTEST'; readonly queues: NonEmpty<QueueRef> }
  /** The new ratchet is ready. */
  | { readonly type: 'EREADY'; readonly lastDecryptedMsgId: bigint }

/** The plaintext of ratchet messages: `spec/agent.md §3.3`. */
export type AgentMessage =
  /** The initiator's connection information. */
  | { readonly type: 'connInfo'; readonly connInfo: Uint8Array }
  /** The joiner's, with the queues to answer to. */
  | { readonly type: 'connInfoReply'; readonly queues: NonEmpty<SmpQueueInfo>; readonly connInfo: Uint8Array }
  /** Content of a ratchet key envelope, not encrypted with a ratchet. */
  | { readonly type: 'ratchetInfo'; readonly info: Uint8Array }
  | {
      readonly type: 'message'
      /** Sequential id that the sender gave. */
      readonly msgId: bigint
      /** SHA-256 of the sender's previous message, empty for the first one. */
      readonly prevMsgHash: Uint8Array
      readonly message: AMessage
    }

/** How the type of a message is stored: `spec/agent.md §3.3`. */
export type AgentMessageTag = 'C' | 'D' | 'S' | 'H' | 'M' | 'V' | 'QC' | 'QA' | 'QK' | 'QU' | 'QT' | 'E'

const MESSAGE_TAGS = {
  HELLO: 'H',
  A_MSG: 'M',
  A_RCVD: 'V',
  A_QCONT: 'QC',
  QADD: 'QA',
  QKEY: 'QK',
  QUSE: 'QU',
  QTEST: 'QT',
  EREADY: 'E',
} as const satisfies Record<AMessage['type'], AgentMessageTag>

const ENVELOPE_TAGS = { connInfo: 'C', connInfoReply: 'D', ratchetInfo: 'S' } as const

/** The stored tag of a message. */
export function agentMessageTag(message: AgentMessage): AgentMessageTag {
  return message.type === 'message' ? MESSAGE_TAGS[message.message.type] : ENVELOPE_TAGS[message.type]
}

const receiptCodec: Codec<MessageReceipt> = {
  encode(writer, { msgId, msgHash, info }) {
    writer.int64(msgId).shortString(msgHash).large(info)
  },
  decode(reader) {
    return { msgId: reader.int64(), msgHash: reader.shortString(), info: reader.large() }
  },
}

const addedQueueCodec: Codec<AddedQueue> = {
  encode(writer, { queue, replaces }) {
    smpQueueUriCodec.encode(writer, queue)
    writer.maybe(replaces, queueRefCodec.encode)
  },
  decode(reader) {
    const queue = smpQueueUriCodec.decode(reader)
    const replaces = reader.maybe(queueRefCodec.decode)
    return { queue, ...(replaces && { replaces }) }
  },
}

const queueKeyCodec: Codec<QueueKey> = {
  encode(writer, { queue, senderKey }) {
    smpQueueInfoCodec.encode(writer, queue)
    authKeyCodec.encode(writer, senderKey)
  },
  decode(reader) {
    return { queue: smpQueueInfoCodec.decode(reader), senderKey: authKeyCodec.decode(reader) }
  },
}

const usedQueueCodec: Codec<UsedQueue> = {
  encode(writer, { queue, primary }) {
    queueRefCodec.encode(writer, queue)
    writer.bool(primary)
  },
  decode(reader) {
    return { queue: queueRefCodec.decode(reader), primary: reader.bool() }
  },
}

function readTag(reader: ByteReader): string {
  const first = String.fromCharCode(reader.byte())
  return first === 'Q' ? first + String.fromCharCode(reader.byte()) : first
}

/** Tag of one or two letters and the content: the table AMessage of `spec/agent.md §3.3`. */
export const aMessageCodec: Codec<AMessage> = {
  encode(writer, message) {
    writer.literal(MESSAGE_TAGS[message.type])
    switch (message.type) {
      case 'HELLO':
        return
      case 'A_MSG':
        writer.bytes(message.body)
        return
      case 'A_RCVD':
        writer.nonEmpty(message.receipts, receiptCodec.encode)
        return
      case 'A_QCONT':
        queueRefCodec.encode(writer, message.queue)
        return
      case 'QADD':
        writer.nonEmpty(message.queues, addedQueueCodec.encode)
        return
      case 'QKEY':
        writer.nonEmpty(message.queues, queueKeyCodec.encode)
        return
      case 'QUSE':
        writer.nonEmpty(message.queues, usedQueueCodec.encode)
        return
      case 'QTEST':
        writer.nonEmpty(message.queues, queueRefCodec.encode)
        return
      case 'EREADY':
        writer.int64(message.lastDecryptedMsgId)
        return
    }
  },
  decode(reader) {
    const at = reader.offset
    const tag = readTag(reader)
    switch (tag) {
      case 'H':
        return { type: 'HELLO' }
      case 'M':
        return { type: 'A_MSG', body: reader.tail() }
      case 'V':
        return { type: 'A_RCVD', receipts: reader.nonEmpty(receiptCodec.decode) }
      case 'QC':
        return { type: 'A_QCONT', queue: queueRefCodec.decode(reader) }
      case 'QA':
        return { type: 'QADD', queues: reader.nonEmpty(addedQueueCodec.decode) }
      case 'QK':
        return { type: 'QKEY', queues: reader.nonEmpty(queueKeyCodec.decode) }
      case 'QU':
        return { type: 'QUSE', queues: reader.nonEmpty(usedQueueCodec.decode) }
      case 'QT':
        return { type: 'QTEST', queues: reader.nonEmpty(queueRefCodec.decode) }
      case 'E':
        return { type: 'EREADY', lastDecryptedMsgId: reader.int64() }
      default:
        return reader.fail('unknown message', at)
    }
  },
}

function writeNumbered(writer: ByteWriter, message: Extract<AgentMessage, { type: 'message' }>): void {
  writer.int64(message.msgId).shortString(message.prevMsgHash)
  aMessageCodec.encode(writer, message.message)
}

/** `I` tail | `D` queues tail | `R` tail | `M` id, short hash, message. */
export const agentMessageCodec: Codec<AgentMessage> = {
  encode(writer, message) {
    switch (message.type) {
      case 'connInfo':
        writer.literal('I').bytes(message.connInfo)
        return
      case 'connInfoReply':
        writer.literal('D').nonEmpty(message.queues, smpQueueInfoCodec.encode).bytes(message.connInfo)
        return
      case 'ratchetInfo':
        writer.literal('R').bytes(message.info)
        return
      case 'message':
        writeNumbered(writer.literal('M'), message)
        return
    }
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    switch (tag) {
      case 'I':
        return { type: 'connInfo', connInfo: reader.tail() }
      case 'D': {
        const queues = reader.nonEmpty(smpQueueInfoCodec.decode)
        return { type: 'connInfoReply', queues, connInfo: reader.tail() }
      }
      case 'R':
        return { type: 'ratchetInfo', info: reader.tail() }
      case 'M': {
        const msgId = reader.int64()
        const prevMsgHash = reader.shortString()
        return { type: 'message', msgId, prevMsgHash, message: aMessageCodec.decode(reader) }
      }
      default:
        return reader.fail('unknown agent message', at)
    }
  },
}
