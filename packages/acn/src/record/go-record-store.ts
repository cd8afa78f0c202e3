import { ByteReader, concatBytes, DecodeError } from '@parley/core/encoding'
import { type AgentRecord, decodeAgentRecord, encodeAgentRecord, encodeFrame } from '../protocol/index.ts'

/** Longest record that is read; real ones have about 300 bytes. */
const MAX_STORED_RECORD = 64 * 1024

/** What a Go node's record store file holds. */
export interface GoRecordStore {
  /** The newest record of each address, in the order in which these were written. */
  readonly records: readonly AgentRecord[]
  /** Records in the file, repetitions included. */
  readonly written: number
  /** Why reading stopped or what was left out; empty for a whole file. Without contents. */
  readonly warnings: readonly string[]
}

/**
 * Reads `agent_records_store_*`: records one after the other, each behind its length (uint32, big-endian), the later
 * ones of an address in place of the earlier. A file that was cut off while it was written, or damaged, gives what can
 * still be read. `spec/acn.md §11`. Whether the proofs hold is for the caller to see.
 */
export function readGoRecordStore(file: Uint8Array): GoRecordStore {
  const records = new Map<string, AgentRecord>()
  const warnings: string[] = []
  const reader = new ByteReader(file)
  let written = 0
  while (reader.remaining > 0) {
    const offset = reader.offset
    const bytes = nextRecord(reader)
    if (!bytes) {
      warnings.push(`record store is cut off or damaged at byte ${offset}, ${file.length - offset} bytes left out`)
      break
    }
    written++
    try {
      const record = decodeAgentRecord(bytes)
      // Set again, so that the order is that of the newest.
      records.delete(record.address)
      records.set(record.address, record)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      warnings.push(`record at byte ${offset} cannot be read and is left out`)
    }
  }
  return { records: [...records.values()], written, warnings }
}

function nextRecord(reader: ByteReader): Uint8Array | undefined {
  if (reader.remaining < 4) return undefined
  const length = reader.word32()
  return length <= Math.min(MAX_STORED_RECORD, reader.remaining) ? reader.bytes(length) : undefined
}

/** The file that a Go node would have written for these records. */
export function writeGoRecordStore(records: readonly AgentRecord[]): Uint8Array {
  return concatBytes(...records.map((record) => encodeFrame(encodeAgentRecord(record))))
}
