import { authKeyCodec, x25519KeyCodec } from '@parley/core/crypto'
import { type Codec, EncodeError } from '@parley/core/encoding'
import { readMessageFlags } from './commands.ts'
import type { AuthKey, DhKey } from './types.ts'

const NONCE_LENGTH = 24
const SPACE = 0x20
/** First byte of `QUOTA`; a time would have to lie 180 billion years ahead to begin so. */
const QUOTA_START = 0x51

/** What a router tells the recipient inside the box of MSG: `spec/smp.md §5.2`. */
export type RcvMessageBody =
  | {
      readonly type: 'message'
      /** Seconds since 1970. */
      readonly timestamp: bigint
      readonly notification: boolean
      /** The sender's body, up to 16,088 bytes. */
      readonly body: Uint8Array
    }
  /** The queue was full; it accepts messages again once it is empty. */
  | { readonly type: 'quota'; readonly timestamp: bigint }

/** Content of the box of MSG: `spec/smp.md §5.2`. The body is a view of the input. */
export const rcvMessageBodyCodec: Codec<RcvMessageBody> = {
  encode(writer, content) {
    if (content.type === 'quota') {
      writer.literal('QUOTA ').int64(content.timestamp)
      return
    }
    writer.int64(content.timestamp).bool(content.notification).byte(SPACE).bytes(content.body)
  },
  decode(reader) {
    if (reader.peek() === QUOTA_START) {
      reader.literal('QUOTA ')
      return { type: 'quota', timestamp: reader.int64() }
    }
    const timestamp = reader.int64()
    const notification = readMessageFlags(reader)
    reader.literal(' ')
    return { type: 'message', timestamp, notification, body: reader.tail() }
  },
}

/** Content of the box of NMSG: `spec/smp.md §4`. */
export interface NotificationMeta {
  /** 24 bytes. */
  readonly msgId: Uint8Array
  /** Seconds since 1970. */
  readonly timestamp: bigint
}

/** Id and time of a message; what newer routers may append is skipped: `spec/smp.md §4`. */
export const notificationMetaCodec: Codec<NotificationMeta> = {
  encode(writer, { msgId, timestamp }) {
    writer.shortString(msgId).int64(timestamp)
  },
  decode(reader) {
    const msgId = reader.shortString()
    const timestamp = reader.int64()
    reader.tail()
    return { msgId, timestamp }
  },
}

/** Body of SEND: the box of the sender for the recipient: `spec/agent.md §3.1`. */
export interface ClientMessageEnvelope {
  /** Version of the client protocol: 1 to 4. */
  readonly version: number
  /** The sender's key for this queue, in the first message only. */
  readonly senderKey?: DhKey
  /** 24 bytes. */
  readonly nonce: Uint8Array
  readonly encrypted: Uint8Array
}

/** Layout of {@link ClientMessageEnvelope}; the box is a view of the input. */
export const clientMessageEnvelopeCodec: Codec<ClientMessageEnvelope> = {
  encode(writer, { version, senderKey, nonce, encrypted }) {
    if (nonce.length !== NONCE_LENGTH) throw new EncodeError(`nonce of ${nonce.length} bytes, not ${NONCE_LENGTH}`)
    writer.word16(version).maybe(senderKey, x25519KeyCodec.encode)
    writer.bytes(nonce).bytes(encrypted)
  },
  decode(reader) {
    const version = reader.word16()
    const senderKey = reader.maybe((r) => x25519KeyCodec.decode(r))
    const nonce = reader.bytes(NONCE_LENGTH)
    return { version, ...(senderKey && { senderKey }), nonce, encrypted: reader.tail() }
  },
}

/** What the box of an envelope holds: `spec/agent.md §3.1`. */
export interface ClientMessage {
  /** The key with which the sender will authorise SEND, when the recipient is to secure the queue with KEY. */
  readonly sndAuthKey?: AuthKey
  readonly body: Uint8Array
}

/** `_` and the body, or `K`, a key and the body: `spec/agent.md §3.1`. */
export const clientMessageCodec: Codec<ClientMessage> = {
  encode(writer, { sndAuthKey, body }) {
    if (sndAuthKey) authKeyCodec.encode(writer.literal('K'), sndAuthKey)
    else writer.literal('_')
    writer.bytes(body)
  },
  decode(reader) {
    const at = reader.offset
    const tag = reader.byte()
    if (tag === 0x5f) return { body: reader.tail() }
    if (tag !== 0x4b) return reader.fail('expected K or _', at)
    const sndAuthKey = authKeyCodec.decode(reader)
    return { sndAuthKey, body: reader.tail() }
  },
}
