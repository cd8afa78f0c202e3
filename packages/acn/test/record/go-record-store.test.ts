import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AgentRecord, encodeAgentRecord, encodeFrame } from '@parley/acn/protocol'
import { readGoRecordStore, writeGoRecordStore } from '@parley/acn/record'
import fc from 'fast-check'
import { record as anyRecord } from '../protocol/arbitraries.ts'

const recordOf = (address: string, signature = ''): AgentRecord => ({
  serviceId: 'acn',
  ledgerId: 'fetchai',
  address,
  publicKey: '',
  peerPublicKey: '',
  signature,
  notBefore: '',
  notAfter: '',
})

const records = [recordOf('a'), recordOf('b'), recordOf('c')]

describe('record store of a Go node', () => {
  test('what was written is read', () => {
    const distinct = fc.uniqueArray(anyRecord, { selector: ({ address }) => address, maxLength: 6 })
    fc.assert(
      fc.property(distinct, (list) => {
        const store = readGoRecordStore(writeGoRecordStore(list))
        assert.deepEqual(store.records, list)
        assert.equal(store.written, list.length)
        assert.deepEqual(store.warnings, [])
      }),
    )
  })

  test('of an agent that registered again the last record counts', () => {
    const file = writeGoRecordStore([recordOf('a', 'old'), recordOf('b'), recordOf('a', 'new')])
    const store = readGoRecordStore(file)
    assert.deepEqual(store.records, [recordOf('b'), recordOf('a', 'new')])
    assert.equal(store.written, 3)
  })

  test('a file cut off anywhere gives its whole records and a warning', () => {
    const file = writeGoRecordStore(records)
    const ends = records.map((_, i) => writeGoRecordStore(records.slice(0, i)).length)
    for (let length = 0; length < file.length; length++) {
      const store = readGoRecordStore(file.subarray(0, length))
      assert.deepEqual(store.records, records.slice(0, store.records.length))
      assert.equal(store.warnings.length, ends.includes(length) ? 0 : 1)
    }
  })

  test('bytes after the last record are left out with a warning', () => {
    const store = readGoRecordStore(Buffer.concat([writeGoRecordStore(records), Buffer.from([0, 0])]))
    assert.deepEqual(store.records, records)
    assert.equal(store.warnings.length, 1)
  })

  test('a record that cannot be read is left out, those after it are not', () => {
    const file = Buffer.concat([encodeFrame(Buffer.from('ff', 'hex')), encodeFrame(encodeAgentRecord(recordOf('b')))])
    const store = readGoRecordStore(file)
    assert.deepEqual(store.records, [recordOf('b')])
    assert.equal(store.warnings.length, 1)
  })

  test('a length beyond all reason ends the reading', () => {
    const store = readGoRecordStore(Buffer.concat([Buffer.from('ffffffff', 'hex'), new Uint8Array(100_000)]))
    assert.deepEqual(store.records, [])
    assert.equal(store.warnings.length, 1)
  })

  test('any file is read somehow', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (file) => {
        const { records: read, written, warnings } = readGoRecordStore(file)
        assert.ok(read.length <= written)
        assert.ok(file.length === 0 || written > 0 || warnings.length > 0)
      }),
    )
  })
})
