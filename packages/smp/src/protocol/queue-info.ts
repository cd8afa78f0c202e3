import type { ByteReader, Codec } from '@parley/core/encoding'
import type { QueueInfo } from './types.ts'

const SUB_THREADS = ['noSub', 'subPending', 'subThread', 'prohibitSub'] as const
const MESSAGE_TYPES = ['message', 'quota'] as const

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type JsonObject = { readonly [field: string]: unknown }
type QueueSub = NonNullable<QueueInfo['qiSub']>
type QueueMessage = NonNullable<QueueInfo['qiMsg']>

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function readSub(value: unknown): QueueSub | undefined {
  const sub = asObject(value)
  const qSubThread = SUB_THREADS.find((name) => name === sub?.qSubThread)
  const qDelivered = sub?.qDelivered
  if (qSubThread === undefined) return undefined
  if (isAbsent(qDelivered)) return { qSubThread }
  return typeof qDelivered === 'string' ? { qSubThread, qDelivered } : undefined
}

function readMessage(value: unknown): QueueMessage | undefined {
  const message = asObject(value)
  const msgType = MESSAGE_TYPES.find((name) => name === message?.msgType)
  const { msgId, msgTs } = message ?? {}
  if (msgType === undefined || typeof msgId !== 'string' || typeof msgTs !== 'string') return undefined
  return Number.isNaN(Date.parse(msgTs)) ? undefined : { msgId, msgTs, msgType }
}

function readQueueInfo(value: unknown): QueueInfo | undefined {
  const { qiSnd, qiNtf, qiSub, qiSize, qiMsg } = asObject(value) ?? {}
  if (typeof qiSnd !== 'boolean' || typeof qiNtf !== 'boolean' || !Number.isSafeInteger(qiSize)) return undefined
  const sub = isAbsent(qiSub) ? undefined : readSub(qiSub)
  const message = isAbsent(qiMsg) ? undefined : readMessage(qiMsg)
  if ((sub === undefined && !isAbsent(qiSub)) || (message === undefined && !isAbsent(qiMsg))) return undefined
  return { qiSnd, qiNtf, ...(sub && { qiSub: sub }), qiSize: qiSize as number, ...(message && { qiMsg: message }) }
}

function parseJson(reader: ByteReader): unknown {
  const at = reader.offset
  try {
    return JSON.parse(utf8.decode(reader.tail()))
  } catch {
    return reader.fail('not JSON', at)
  }
}

/** JSON to the end of the input, fields in the originals' order, absent ones left out: `spec/smp.md §4`. */
export const queueInfoCodec: Codec<QueueInfo> = {
  encode(writer, { qiSnd, qiNtf, qiSub, qiSize, qiMsg }) {
    const sub = qiSub && { qSubThread: qiSub.qSubThread, qDelivered: qiSub.qDelivered }
    const message = qiMsg && { msgId: qiMsg.msgId, msgTs: qiMsg.msgTs, msgType: qiMsg.msgType }
    const json = JSON.stringify({ qiSnd, qiNtf, qiSub: sub, qiSize, qiMsg: message })
    writer.bytes(Buffer.from(json, 'utf8'))
  },
  decode(reader) {
    const at = reader.offset
    return readQueueInfo(parseJson(reader)) ?? reader.fail('not queue information', at)
  },
}
