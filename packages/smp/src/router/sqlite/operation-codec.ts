import { type ByteReader, ByteWriter, type Codec } from '@parley/core/encoding'
import type {
  LinkRow,
  MessageRow,
  Operation,
  OperationName,
  Operations,
  QueueRow,
  QueueRowChange,
} from './operations.ts'

const numberCodec: Codec<number> = {
  encode(writer, value) {
    writer.int64(BigInt(value))
  },
  decode(reader) {
    return Number(reader.int64())
  },
}

/** Lists of more than the 255 items that the protocol's lists can have. */
function writeMany<T>(writer: ByteWriter, items: readonly T[], write: (writer: ByteWriter, item: T) => void): void {
  writer.word32(items.length)
  for (const item of items) write(writer, item)
}

function readMany<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  return Array.from({ length: reader.word32() }, () => read(reader))
}

const queueRowCodec: Codec<QueueRow> = {
  encode(writer, { rcvId, sndId, rcvKeys, rcvDhSecret, sndKey, mode, status, notice, updatedDay }) {
    writer.shortString(rcvId).shortString(sndId).large(rcvKeys).shortString(rcvDhSecret).shortString(sndKey)
    writer
      .text(mode)
      .text(status)
      .maybe(notice ?? undefined, numberCodec.encode)
    numberCodec.encode(writer, updatedDay)
  },
  decode(reader) {
    return {
      rcvId: reader.shortString(),
      sndId: reader.shortString(),
      rcvKeys: reader.large(),
      rcvDhSecret: reader.shortString(),
      sndKey: reader.shortString(),
      mode: reader.text(),
      status: reader.text(),
      notice: reader.maybe(numberCodec.decode) ?? null,
      updatedDay: numberCodec.decode(reader),
    }
  },
}

const rowChangeCodec: Codec<QueueRowChange> = {
  encode(writer, { rcvKeys, sndKey, status, notice, updatedDay }) {
    writer
      .maybe(rcvKeys, (to, keys) => to.large(keys))
      .maybe(sndKey, (to, key) => to.shortString(key))
      .maybe(status, (to, text) => to.text(text))
      .maybe(notice, (to, seconds) => to.maybe(seconds ?? undefined, numberCodec.encode))
      .maybe(updatedDay, numberCodec.encode)
  },
  decode(reader) {
    const rcvKeys = reader.maybe((from) => from.large())
    const sndKey = reader.maybe((from) => from.shortString())
    const status = reader.maybe((from) => from.text())
    const notice = reader.maybe((from) => ({ seconds: from.maybe(numberCodec.decode) ?? null }))
    const updatedDay = reader.maybe(numberCodec.decode)
    return {
      ...(rcvKeys && { rcvKeys }),
      ...(sndKey && { sndKey }),
      ...(status !== undefined && { status }),
      ...(notice && { notice: notice.seconds }),
      ...(updatedDay !== undefined && { updatedDay }),
    }
  },
}

const linkRowCodec: Codec<LinkRow> = {
  encode(writer, { linkId, fixed, user }) {
    writer.shortString(linkId).large(fixed).large(user)
  },
  decode(reader) {
    return { linkId: reader.shortString(), fixed: reader.large(), user: reader.large() }
  },
}

const messageRowCodec: Codec<MessageRow> = {
  encode(writer, { number, msgId, timestamp, notification, body }) {
    numberCodec.encode(writer, number)
    writer.shortString(msgId)
    numberCodec.encode(writer, timestamp)
    writer.bool(notification).maybe(body ?? undefined, (to, bytes) => to.large(bytes))
  },
  decode(reader) {
    return {
      number: numberCodec.decode(reader),
      msgId: reader.shortString(),
      timestamp: numberCodec.decode(reader),
      notification: reader.bool(),
      body: reader.maybe((from) => from.large()) ?? null,
    }
  },
}

const queueOnly: Codec<{ queue: number }> = {
  encode(writer, { queue }) {
    numberCodec.encode(writer, queue)
  },
  decode(reader) {
    return { queue: numberCodec.decode(reader) }
  },
}

const KINDS = ['recipient', 'sender', 'link'] as const

type AskCodecs = { readonly [N in OperationName]: Codec<Operations[N]['ask']> }

/** What follows an operation's tag; the tag is the position in this table. */
const ASKS: AskCodecs = {
  getQueues: {
    encode(writer, { kind, ids }) {
      writeMany(writer.byte(KINDS.indexOf(kind)), ids, (to, id) => to.shortString(id))
    },
    decode(reader) {
      const kind = KINDS[reader.byte()] ?? 'recipient'
      return { kind, ids: readMany(reader, (from) => from.shortString()) }
    },
  },
  addQueue: {
    encode(writer, { row, link }) {
      queueRowCodec.encode(writer, row)
      writer.maybe(link, linkRowCodec.encode)
    },
    decode(reader) {
      return { row: queueRowCodec.decode(reader), link: reader.maybe(linkRowCodec.decode) }
    },
  },
  updateQueue: {
    encode(writer, { queue, change }) {
      numberCodec.encode(writer, queue)
      rowChangeCodec.encode(writer, change)
    },
    decode(reader) {
      return { queue: numberCodec.decode(reader), change: rowChangeCodec.decode(reader) }
    },
  },
  setLink: {
    encode(writer, { queue, link }) {
      numberCodec.encode(writer, queue)
      linkRowCodec.encode(writer, link)
    },
    decode(reader) {
      return { queue: numberCodec.decode(reader), link: linkRowCodec.decode(reader) }
    },
  },
  deleteLink: queueOnly,
  deleteQueue: queueOnly,
  getLinkData: queueOnly,
  addMessage: {
    encode(writer, { queue, message }) {
      numberCodec.encode(writer, queue)
      messageRowCodec.encode(writer, message)
    },
    decode(reader) {
      return { queue: numberCodec.decode(reader), message: messageRowCodec.decode(reader) }
    },
  },
  deleteMessages: {
    encode(writer, { messages }) {
      writeMany(writer, messages, numberCodec.encode)
    },
    decode(reader) {
      return { messages: readMany(reader, numberCodec.decode) }
    },
  },
  getMessage: {
    encode(writer, { message }) {
      numberCodec.encode(writer, message)
    },
    decode(reader) {
      return { message: numberCodec.decode(reader) }
    },
  },
  expireMessages: {
    encode(writer, { before, from, limit }) {
      for (const value of [before, from, limit]) numberCodec.encode(writer, value)
    },
    decode(reader) {
      return {
        before: numberCodec.decode(reader),
        from: numberCodec.decode(reader),
        limit: numberCodec.decode(reader),
      }
    },
  },
  inspectQueues: {
    encode(writer, { limit }) {
      numberCodec.encode(writer, limit)
    },
    decode(reader) {
      return { limit: numberCodec.decode(reader) }
    },
  },
  count: {
    encode() {},
    decode() {
      return {}
    },
  },
}

const NAMES = Object.keys(ASKS) as OperationName[]

const operationCodec: Codec<Operation> = {
  encode(writer, { name, ask }) {
    writer.byte(NAMES.indexOf(name))
    ;(ASKS[name] as Codec<Operation['ask']>).encode(writer, ask)
  },
  decode(reader) {
    const name = NAMES[reader.byte()]
    if (!name) return reader.fail('unknown operation')
    return { name, ask: ASKS[name].decode(reader) } as Operation
  },
}

/**
 * A batch of operations for the database's thread. A structured clone of so many small objects would take longer than
 * everything else that is done with them.
 * @param shared memory of both threads, where the batch is put when there is room
 * @returns how much of `shared` it takes, or bytes in a buffer of their own that can be given away
 */
export function encodeOperations(operations: readonly Operation[], shared: Buffer): number | Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(shared)
  writeMany(writer, operations, operationCodec.encode)
  const bytes = writer.finish()
  return bytes.buffer === shared.buffer ? bytes.length : new Uint8Array(bytes)
}

/** What {@link encodeOperations} encoded; byte strings are views. */
export function decodeOperations(reader: ByteReader): Operation[] {
  return readMany(reader, operationCodec.decode)
}
