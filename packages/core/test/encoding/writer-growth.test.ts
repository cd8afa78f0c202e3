import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteWriter } from '@parley/core/encoding'

describe('ByteWriter', () => {
  it('writes every kind of value across the growth of its buffer', () => {
    const kinds: [string, (writer: ByteWriter) => void, string][] = [
      ['byte', (writer) => writer.byte(7), '07'],
      ['bytes', (writer) => writer.bytes(Buffer.from('abcdef', 'hex')), 'abcdef'],
      ['literal', (writer) => writer.literal('SUB'), '535542'],
      ['word16', (writer) => writer.word16(0x0102), '0102'],
      ['word32', (writer) => writer.word32(0x01020304), '01020304'],
      ['int64', (writer) => writer.int64(1n), '0000000000000001'],
    ]
    for (const [name, write, expected] of kinds) {
      const writer = new ByteWriter(1)
      for (let i = 0; i < 100; i++) write(writer)
      assert.equal(Buffer.from(writer.finish()).toString('hex'), expected.repeat(100), name)
    }
  })

  it('writes into a given buffer, and beside it what does not fit', () => {
    const given = Buffer.alloc(4)
    assert.equal(new ByteWriter(given).word16(1).word16(2).finish().buffer, given.buffer)
    assert.deepEqual([...given], [0, 1, 0, 2])
    const longer = new ByteWriter(given).word32(3).byte(4).finish()
    assert.notEqual(longer.buffer, given.buffer)
    assert.deepEqual([...longer], [0, 0, 0, 3, 4])
  })
})
