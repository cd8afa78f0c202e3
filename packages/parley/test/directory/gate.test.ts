import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from '../../src/directory/gate.ts'

const WIDE = { atOnce: 100, atOncePerPeer: 100, perSecond: 1000, perSecondPerPeer: 1000, burstPerPeer: 1000 }

test('so many at once of one peer, and of all', () => {
  const gate = new Gate({ ...WIDE, atOnce: 3, atOncePerPeer: 2 })
  const [first, second] = [gate.tryEnter('a'), gate.tryEnter('a')]
  assert.ok(first && second)
  assert.equal(gate.tryEnter('a'), undefined)
  assert.ok(gate.tryEnter('b'))
  assert.equal(gate.tryEnter('c'), undefined)
  first()
  first()
  assert.ok(gate.tryEnter('c'))
  assert.equal(gate.tryEnter('c'), undefined)
})

test('so fast of one peer, and of all', () => {
  const gate = new Gate({ ...WIDE, perSecond: 0.4, perSecondPerPeer: 0.001, burstPerPeer: 2 })
  const enter = (peer: string) => {
    const leave = gate.tryEnter(peer)
    leave?.()
    return leave !== undefined
  }
  assert.deepEqual([enter('a'), enter('a'), enter('a')], [true, true, false])
  // In all four: those of ten seconds.
  assert.deepEqual([enter('b'), enter('c'), enter('d')], [true, true, false])
})
