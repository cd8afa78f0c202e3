import { x25519KeyCodec } from '@parley/core/crypto'
import { type ByteReader, type ByteWriter, type Codec, EncodeError } from '@parley/core/encoding'
import { versionRangeCodec } from '@parley/core/version'
import { smpErrorCodec } from './errors.ts'
import { queueLinkDataCodec, queueModeCodec, readCertificates, writeCertificates } from './fields.ts'
import { queueInfoCodec } from './queue-info.ts'
import { NO_PARAMETERS, parameters, taggedCodec } from './tagged-codec.ts'
import type { BrokerMessage, BrokerMessageType, QueueMode } from './types.ts'
import { type ProtocolContext, SMP_GATES } from './versions.ts'

const NONCE_LENGTH = 24

type MessageOf<T extends BrokerMessageType> = BrokerMessage & { readonly type: T }

function message<T extends BrokerMessageType>(
  encode: (writer: ByteWriter, message: MessageOf<T>, version: number) => void,
  decode: (reader: ByteReader, version: number) => MessageOf<T>,
) {
  return parameters<BrokerMessage, T>(encode, decode)
}

/** What an older peer gets instead: `spec/smp.md §2.5`. */
function downgrade(original: BrokerMessage, version: number): BrokerMessage {
  if (original.type === 'SOK' && version < SMP_GATES.service) return { type: 'OK' }
  if (original.type === 'DELD' && version < SMP_GATES.deletedEvent) return { type: 'END' }
  if (original.type === 'ERR' && original.error.type === 'BLOCKED') {
    if (version < SMP_GATES.blockedEntity) return { type: 'ERR', error: { type: 'AUTH' } }
    if (version < SMP_GATES.clientNotice) {
      return { type: 'ERR', error: { type: 'BLOCKED', reason: original.error.reason } }
    }
  }
  return original
}

const IDS = message<'IDS'>(
  (writer, { rcvId, sndId, rcvPublicDhKey, queueMode, linkId, serviceId, notifier }, version) => {
    x25519KeyCodec.encode(writer.shortString(rcvId).shortString(sndId), rcvPublicDhKey)
    if (version >= SMP_GATES.shortLinks) {
      writer.maybe(queueMode, queueModeCodec.encode)
      writer.maybe(linkId, (w, id) => w.shortString(id))
      if (version >= SMP_GATES.service) writer.maybe(serviceId, (w, id) => w.shortString(id))
      if (version >= SMP_GATES.newNotifier) {
        writer.maybe(notifier, (w, { notifierId, ntfDhKey }) =>
          x25519KeyCodec.encode(w.shortString(notifierId), ntfDhKey),
        )
      }
    } else if (version >= SMP_GATES.senderKey) {
      writer.bool(queueMode === 'messaging')
    }
  },
  (reader, version) => {
    const rcvId = reader.shortString()
    const sndId = reader.shortString()
    const rcvPublicDhKey = x25519KeyCodec.decode(reader)
    const readId = (r: ByteReader) => r.shortString()
    let queueMode: QueueMode | undefined
    if (version >= SMP_GATES.shortLinks) queueMode = reader.maybe((r) => queueModeCodec.decode(r))
    else if (version >= SMP_GATES.senderKey) queueMode = reader.bool() ? 'messaging' : 'contact'
    const linkId = version >= SMP_GATES.shortLinks ? reader.maybe(readId) : undefined
    const serviceId = version >= SMP_GATES.service ? reader.maybe(readId) : undefined
    const notifier =
      version >= SMP_GATES.newNotifier
        ? reader.maybe((r) => ({ notifierId: r.shortString(), ntfDhKey: x25519KeyCodec.decode(r) }))
        : undefined
    return {
      type: 'IDS',
      rcvId,
      sndId,
      rcvPublicDhKey,
      ...(queueMode && { queueMode }),
      ...(linkId && { linkId }),
      ...(serviceId && { serviceId }),
      ...(notifier && { notifier }),
    }
  },
)

/**
 * Every message of routers with its tag: `spec/smp.md §4`. Byte strings of decoded messages are views of the input.
 * Encoding for an older version writes what that version knows: OK for SOK, END for DELD, AUTH for BLOCKED.
 * Decoding throws UnknownTagError (a DecodeError) for a tag that is none of a router's, DecodeError otherwise.
 */
export const brokerMessageCodec: Codec<BrokerMessage, ProtocolContext> = taggedCodec<BrokerMessage>(
  {
    IDS,
    END: NO_PARAMETERS,
    DELD: NO_PARAMETERS,
    OK: NO_PARAMETERS,
    PONG: NO_PARAMETERS,
    LNK: message<'LNK'>(
      (writer, { sndId, link }) => queueLinkDataCodec.encode(writer.shortString(sndId), link),
      (reader) => ({ type: 'LNK', sndId: reader.shortString(), link: queueLinkDataCodec.decode(reader) }),
    ),
    SOK: message<'SOK'>(
      (writer, { serviceId }) => writer.maybe(serviceId, (w, id) => w.shortString(id)),
      (reader) => {
        const serviceId = reader.maybe((r) => r.shortString())
        return { type: 'SOK', ...(serviceId && { serviceId }) }
      },
    ),
    SOKS: message<'SOKS'>(
      (writer, { count }) => writer.int64(count),
      (reader) => ({ type: 'SOKS', count: reader.int64() }),
    ),
    ENDS: message<'ENDS'>(
      (writer, { count }) => writer.int64(count),
      (reader) => ({ type: 'ENDS', count: reader.int64() }),
    ),
    MSG: message<'MSG'>(
      (writer, { msgId, encrypted }) => writer.shortString(msgId).bytes(encrypted),
      (reader) => ({ type: 'MSG', msgId: reader.shortString(), encrypted: reader.tail() }),
    ),
    NID: message<'NID'>(
      (writer, { notifierId, ntfDhKey }) => x25519KeyCodec.encode(writer.shortString(notifierId), ntfDhKey),
      (reader) => ({ type: 'NID', notifierId: reader.shortString(), ntfDhKey: x25519KeyCodec.decode(reader) }),
    ),
    NMSG: message<'NMSG'>(
      (writer, { nonce, encrypted }) => {
        if (nonce.length !== NONCE_LENGTH) throw new EncodeError(`nonce of ${nonce.length} bytes, not ${NONCE_LENGTH}`)
        writer.bytes(nonce).shortString(encrypted)
      },
      (reader) => ({ type: 'NMSG', nonce: reader.bytes(NONCE_LENGTH), encrypted: reader.shortString() }),
    ),
    PKEY: message<'PKEY'>(
      (writer, { sessionId, versions, certificates, signedKey }) => {
        versionRangeCodec.encode(writer.shortString(sessionId), versions)
        writeCertificates(writer, certificates)
        writer.large(signedKey)
      },
      (reader) => ({
        type: 'PKEY',
        sessionId: reader.shortString(),
        versions: versionRangeCodec.decode(reader),
        certificates: readCertificates(reader),
        signedKey: reader.large(),
      }),
    ),
    PRES: message<'PRES'>(
      (writer, { encrypted }) => writer.bytes(encrypted),
      (reader) => ({ type: 'PRES', encrypted: reader.tail() }),
    ),
    RRES: message<'RRES'>(
      (writer, { encrypted }) => writer.bytes(encrypted),
      (reader) => ({ type: 'RRES', encrypted: reader.tail() }),
    ),
    INFO: message<'INFO'>(
      (writer, { info }) => queueInfoCodec.encode(writer, info),
      (reader) => ({ type: 'INFO', info: queueInfoCodec.decode(reader) }),
    ),
    ERR: message<'ERR'>(
      (writer, { error }) => smpErrorCodec.encode(writer, error),
      (reader) => ({ type: 'ERR', error: smpErrorCodec.decode(reader) }),
    ),
  },
  downgrade,
)
