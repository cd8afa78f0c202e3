import { authKeyCodec, x25519KeyCodec } from '@parley/core/crypto'
import type { ByteReader, ByteWriter, Codec } from '@parley/core/encoding'
import { notifierRequestCodec, passwordCodec, queueLinkDataCodec } from './fields.ts'
import { smpServerCodec } from './server-codec.ts'
import { NO_PARAMETERS, parameters, taggedCodec } from './tagged-codec.ts'
import type { Command, CommandType, QueueRequest } from './types.ts'
import { type ProtocolContext, SMP_GATES } from './versions.ts'

const SPACE = 0x20
const PASSWORD_FOLLOWS = 0x41
const UNKNOWN_FLAGS_LIMIT = 16_384

type CommandOf<T extends CommandType> = Command & { readonly type: T }

function command<T extends CommandType>(
  encode: (writer: ByteWriter, message: CommandOf<T>, version: number) => void,
  decode: (reader: ByteReader, version: number) => CommandOf<T>,
) {
  return parameters<Command, T>(encode, decode)
}

/** What NEW asks for from version 15: `spec/smp.md §3`. */
export const queueRequestCodec: Codec<QueueRequest> = {
  encode(writer, request) {
    if (request.mode === 'messaging') {
      writer.literal('M').maybe(request.data, (w, { senderId, link }) => {
        w.shortString(senderId)
        queueLinkDataCodec.encode(w, link)
      })
      return
    }
    writer.literal('C').maybe(request.data, (w, { linkId, senderId, link }) => {
      w.shortString(linkId).shortString(senderId)
      queueLinkDataCodec.encode(w, link)
    })
  },
  decode(reader) {
    const at = reader.offset
    const mode = reader.byte()
    if (mode === 0x4d) {
      const data = reader.maybe((r) => ({ senderId: r.shortString(), link: queueLinkDataCodec.decode(r) }))
      return data ? { mode: 'messaging', data } : { mode: 'messaging' }
    }
    if (mode === 0x43) {
      const data = reader.maybe((r) => ({
        linkId: r.shortString(),
        senderId: r.shortString(),
        link: queueLinkDataCodec.decode(r),
      }))
      return data ? { mode: 'contact', data } : { mode: 'contact' }
    }
    return reader.fail('expected queue mode M or C', at)
  },
}

function readSubscribe(reader: ByteReader): boolean {
  const at = reader.offset
  const byte = reader.byte()
  if (byte === 0x53) return true
  if (byte === 0x43) return false
  return reader.fail('expected subscription mode S or C', at)
}

/** Below version 9 the password has `A` before it instead of the usual marks of an optional value. */
function readLegacyPassword(reader: ByteReader): string | undefined {
  if (reader.peek() !== PASSWORD_FOLLOWS) return undefined
  reader.byte()
  return passwordCodec.decode(reader)
}

const NEW = command<'NEW'>(
  (writer, { rcvAuthKey, rcvDhKey, password, subscribe, queueRequest, notifier }, version) => {
    authKeyCodec.encode(writer, rcvAuthKey)
    x25519KeyCodec.encode(writer, rcvDhKey)
    if (version >= SMP_GATES.senderKey) {
      writer.maybe(password, passwordCodec.encode)
    } else if (password !== undefined) {
      passwordCodec.encode(writer.byte(PASSWORD_FOLLOWS), password)
    }
    writer.literal(subscribe ? 'S' : 'C')
    if (version >= SMP_GATES.shortLinks) {
      writer.maybe(queueRequest, queueRequestCodec.encode)
      if (version >= SMP_GATES.newNotifier) writer.maybe(notifier, notifierRequestCodec.encode)
    } else if (version >= SMP_GATES.senderKey) {
      writer.bool(queueRequest?.mode === 'messaging')
    }
  },
  (reader, version) => {
    const rcvAuthKey = authKeyCodec.decode(reader)
    const rcvDhKey = x25519KeyCodec.decode(reader)
    const password = version >= SMP_GATES.senderKey ? reader.maybe(passwordCodec.decode) : readLegacyPassword(reader)
    const subscribe = readSubscribe(reader)
    let queueRequest: QueueRequest | undefined
    if (version >= SMP_GATES.shortLinks) queueRequest = reader.maybe(queueRequestCodec.decode)
    else if (version >= SMP_GATES.senderKey) queueRequest = { mode: reader.bool() ? 'messaging' : 'contact' }
    const notifier = version >= SMP_GATES.newNotifier ? reader.maybe(notifierRequestCodec.decode) : undefined
    return {
      type: 'NEW',
      rcvAuthKey,
      rcvDhKey,
      ...(password !== undefined && { password }),
      subscribe,
      ...(queueRequest && { queueRequest }),
      ...(notifier && { notifier }),
    }
  },
)

/** Flags may grow: what stands between the first one and the space is skipped: `spec/smp.md §3`. */
export function readMessageFlags(reader: ByteReader): boolean {
  const notification = reader.bool()
  for (let skipped = 0; skipped < UNKNOWN_FLAGS_LIMIT; skipped++) {
    const next = reader.peek()
    if (next === undefined || next === SPACE) break
    reader.byte()
  }
  return notification
}

/**
 * Every command with its tag: `spec/smp.md §3`. Byte strings of decoded commands are views of the input.
 * Decoding throws UnknownTagError (a DecodeError) for a tag that is none of a client's, DecodeError otherwise.
 */
export const commandCodec: Codec<Command, ProtocolContext> = taggedCodec<Command>({
  NEW,
  SUB: NO_PARAMETERS,
  SUBS: NO_PARAMETERS,
  LDEL: NO_PARAMETERS,
  NDEL: NO_PARAMETERS,
  GET: NO_PARAMETERS,
  OFF: NO_PARAMETERS,
  DEL: NO_PARAMETERS,
  QUE: NO_PARAMETERS,
  PING: NO_PARAMETERS,
  LGET: NO_PARAMETERS,
  NSUB: NO_PARAMETERS,
  NSUBS: NO_PARAMETERS,
  KEY: command<'KEY'>(
    (writer, { sndAuthKey }) => authKeyCodec.encode(writer, sndAuthKey),
    (reader) => ({ type: 'KEY', sndAuthKey: authKeyCodec.decode(reader) }),
  ),
  RKEY: command<'RKEY'>(
    (writer, { rcvAuthKeys }) => writer.nonEmpty(rcvAuthKeys, authKeyCodec.encode),
    (reader) => ({ type: 'RKEY', rcvAuthKeys: reader.nonEmpty((r) => authKeyCodec.decode(r)) }),
  ),
  LSET: command<'LSET'>(
    (writer, { linkId, link }) => queueLinkDataCodec.encode(writer.shortString(linkId), link),
    (reader) => ({ type: 'LSET', linkId: reader.shortString(), link: queueLinkDataCodec.decode(reader) }),
  ),
  NKEY: command<'NKEY'>(
    (writer, { notifier }) => notifierRequestCodec.encode(writer, notifier),
    (reader) => ({ type: 'NKEY', notifier: notifierRequestCodec.decode(reader) }),
  ),
  ACK: command<'ACK'>(
    (writer, { msgId }) => writer.shortString(msgId),
    (reader) => ({ type: 'ACK', msgId: reader.shortString() }),
  ),
  SKEY: command<'SKEY'>(
    (writer, { sndAuthKey }) => authKeyCodec.encode(writer, sndAuthKey),
    (reader) => ({ type: 'SKEY', sndAuthKey: authKeyCodec.decode(reader) }),
  ),
  LKEY: command<'LKEY'>(
    (writer, { sndAuthKey }) => authKeyCodec.encode(writer, sndAuthKey),
    (reader) => ({ type: 'LKEY', sndAuthKey: authKeyCodec.decode(reader) }),
  ),
  SEND: command<'SEND'>(
    (writer, { notification, body }) => writer.bool(notification).byte(SPACE).bytes(body),
    (reader) => {
      const notification = readMessageFlags(reader)
      reader.literal(' ')
      return { type: 'SEND', notification, body: reader.tail() }
    },
  ),
  PRXY: command<'PRXY'>(
    (writer, { server, password }) => {
      smpServerCodec.encode(writer, server)
      writer.maybe(password, passwordCodec.encode)
    },
    (reader) => {
      const server = smpServerCodec.decode(reader)
      const password = reader.maybe(passwordCodec.decode)
      return { type: 'PRXY', server, ...(password !== undefined && { password }) }
    },
  ),
  PFWD: command<'PFWD'>(
    (writer, { version, commandKey, encrypted }) => {
      x25519KeyCodec.encode(writer.word16(version), commandKey)
      writer.bytes(encrypted)
    },
    (reader) => ({
      type: 'PFWD',
      version: reader.word16(),
      commandKey: x25519KeyCodec.decode(reader),
      encrypted: reader.tail(),
    }),
  ),
  RFWD: command<'RFWD'>(
    (writer, { encrypted }) => writer.bytes(encrypted),
    (reader) => ({ type: 'RFWD', encrypted: reader.tail() }),
  ),
})
