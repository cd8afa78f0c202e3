import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CircuitError } from '../../../src/peer/relay-v1/circuit-error.ts'
import { CircuitPlaces } from '../../../src/peer/relay-v1/circuit-places.ts'
import { CIRCUIT_STATUS } from '../../../src/peer/relay-v1/message.ts'

const full = (error: unknown) => error instanceof CircuitError && error.code === CIRCUIT_STATUS.HOP_CANT_OPEN_DST_STREAM

test('so many circuits in all, and so many for a peer at either end', () => {
  const places = new CircuitPlaces({ relayedConnections: 3, relayedConnectionsPerPeer: 2 })
  const leave = places.enter('a', 'b')
  places.enter('a', 'c')
  assert.throws(() => places.enter('a', 'd'), full)
  assert.throws(() => places.enter('d', 'a'), full)
  places.enter('d', 'e')
  assert.throws(() => places.enter('f', 'g'), full)
  leave()
  leave()
  assert.equal(places.size, 2)
  places.enter('a', 'b')
  assert.throws(() => places.enter('f', 'g'), full)
})

test('what was given back can be taken again, in whatever order', () => {
  const call = fc.record({ from: fc.integer({ min: 0, max: 3 }), to: fc.integer({ min: 4, max: 7 }), ends: fc.nat(3) })
  fc.assert(
    fc.property(fc.array(call, { maxLength: 40 }), (calls) => {
      const places = new CircuitPlaces({ relayedConnections: 6, relayedConnectionsPerPeer: 3 })
      const open: (() => void)[] = []
      for (const { from, to, ends } of calls) {
        try {
          open.push(places.enter(`${from}`, `${to}`))
        } catch (error) {
          assert.ok(full(error))
        }
        assert.ok(places.size <= 6)
        if (ends === 0) open.shift()?.()
      }
      for (const leave of open) leave()
      assert.equal(places.size, 0)
      for (let i = 0; i < 3; i++) places.enter('0', '4')
    }),
  )
})
