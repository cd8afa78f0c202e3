import assert from 'node:assert/strict'
import { decodeAgentRecord, encodeAgentRecord, FrameDecoder } from '@parley/acn/protocol'
import { readGoRecordStore, verifyRepresentation, writeGoRecordStore } from '@parley/acn/record'
import {
  expectKeys,
  fromHex,
  type JsonObject,
  object,
  sameBytes,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

/** Reads the file, compares every record with its bytes, and writes the file again. */
export function checkRecordStore(file: Uint8Array): readonly string[] {
  const store = readGoRecordStore(file)
  assert.deepEqual(store.warnings, [])
  const decoder = new FrameDecoder()
  decoder.push(file)
  const inFile: string[] = []
  for (let frame = decoder.next(); frame; frame = decoder.next()) {
    const record = decodeAgentRecord(frame)
    sameBytes(encodeAgentRecord(record), frame)
    verifyRepresentation(record, { expectedAddress: record.address })
    inFile.push(record.address)
  }
  assert.equal(decoder.buffered, 0)
  assert.equal(store.written, inFile.length)
  const addresses = store.records.map(({ address }) => address)
  assert.deepEqual(new Set(addresses), new Set(inFile))
  assert.equal(addresses.length, new Set(inFile).size)
  if (addresses.length === inFile.length) sameBytes(writeGoRecordStore(store.records), file)
  return inFile
}

function checkFile(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'addresses')
  const listed = entry.addresses
  assert.ok(Array.isArray(listed))
  const inFile = checkRecordStore(fromHex(text(entry, 'hex')))
  assert.deepEqual([...new Set(inFile)].sort(), [...new Set(listed)].sort())
}

/** The record store of a Go node. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-records-store.json',
    *cases(data) {
      yield { name: 'file', run: () => checkFile(object(data)) }
    },
  },
]
