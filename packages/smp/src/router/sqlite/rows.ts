import { authKeyCodec, PublicKey } from '@parley/core/crypto'
import { ByteReader, ByteWriter, DecodeError, encode } from '@parley/core/encoding'
import type { AuthKey, QueueMode } from '../../protocol/types.ts'
import type { LoadedQueue, QueueChange, QueueInspection, QueueRecord, QueueStatus, StoredMessage } from '../store.ts'
import { StoreError } from '../store.ts'
import type { InspectedRow, LoadedRow, MessageRow, QueueRow, QueueRowChange } from './operations.ts'

const NO_KEY = new Uint8Array()
const NOTICE_FOR_EVER = -1

/** Records as the router uses them and rows as the database keeps them. */
export function toQueueRow(record: QueueRecord): QueueRow {
  return {
    rcvId: record.rcvId,
    sndId: record.sndId,
    rcvKeys: encodeKeys(record.rcvKeys),
    rcvDhSecret: record.rcvDhSecret,
    sndKey: record.sndKey?.spki ?? NO_KEY,
    mode: record.mode === undefined ? '' : record.mode === 'messaging' ? 'M' : 'C',
    updatedDay: record.updatedDay,
    ...toStatusColumns(record.status),
  }
}

export function toRowChange({ rcvKeys, sndKey, status, updatedDay }: QueueChange): QueueRowChange {
  return {
    ...(rcvKeys && { rcvKeys: encodeKeys(rcvKeys) }),
    ...(sndKey && { sndKey: sndKey.spki }),
    ...(status && toStatusColumns(status)),
    ...(updatedDay !== undefined && { updatedDay }),
  }
}

/** @throws StoreError when the row is not one that this program writes */
export function toLoadedQueue({ number, row, linkId, messages }: LoadedRow): LoadedQueue {
  return { number, messages, record: toRecord(row, linkId) }
}

export function toStoredMessage({ number, msgId, timestamp, notification, body }: MessageRow): StoredMessage {
  return { number, msgId, timestamp, notification, ...(body && { body }) }
}

export function toMessageRow({ number, msgId, timestamp, notification, body }: StoredMessage): MessageRow {
  return { number, msgId, timestamp, notification, body: body ?? null }
}

/** @throws StoreError when the row is not one that this program writes */
export function toInspection({ row, linkId, messages }: InspectedRow): QueueInspection {
  const { rcvDhSecret: _secret, status, ...visible } = toRecord(row, linkId)
  return { ...visible, status: status.type, messages }
}

function toRecord(row: QueueRow, linkId: Uint8Array): QueueRecord {
  const mode = toMode(row.mode)
  return {
    rcvId: row.rcvId,
    sndId: row.sndId,
    rcvKeys: decodeKeys(row.rcvKeys),
    rcvDhSecret: row.rcvDhSecret,
    status: toStatus(row),
    updatedDay: row.updatedDay,
    ...(row.sndKey.length > 0 && { sndKey: PublicKey.fromSpki(row.sndKey) as AuthKey }),
    ...(mode && { mode }),
    ...(linkId.length > 0 && { linkId }),
  }
}

function encodeKeys(keys: readonly AuthKey[]): Uint8Array {
  const writer = new ByteWriter(64)
  writer.nonEmpty(keys, (to, key) => to.bytes(encode(authKeyCodec, key)))
  return writer.finish()
}

function decodeKeys(bytes: Uint8Array): [AuthKey, ...AuthKey[]] {
  try {
    return new ByteReader(bytes).nonEmpty((reader) => authKeyCodec.decode(reader))
  } catch (cause) {
    if (cause instanceof DecodeError) throw new StoreError('damaged keys in the database', { cause })
    throw cause
  }
}

function toMode(text: string): QueueMode | undefined {
  switch (text) {
    case '':
      return undefined
    case 'M':
      return 'messaging'
    case 'C':
      return 'contact'
    default:
      throw new StoreError('unknown queue mode in the database')
  }
}

function toStatusColumns(status: QueueStatus): Pick<QueueRow, 'status' | 'notice'> {
  if (status.type !== 'blocked') return { status: status.type, notice: null }
  const { reason, noticeTtl } = status
  return { status: reason, notice: noticeTtl === undefined ? null : (noticeTtl ?? NOTICE_FOR_EVER) }
}

function toStatus({ status, notice }: QueueRow): QueueStatus {
  switch (status) {
    case 'active':
    case 'off':
      return { type: status }
    case 'spam':
    case 'content':
      if (notice === null) return { type: 'blocked', reason: status }
      return { type: 'blocked', reason: status, noticeTtl: notice === NOTICE_FOR_EVER ? null : notice }
    default:
      throw new StoreError('unknown queue status in the database')
  }
}
