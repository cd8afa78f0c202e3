import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Admission, AdmissionError } from '../../../src/peer/streams/admission.ts'

const LIMITS = { answering: 5, answeringPerPeer: 3, streamRatePerPeer: 10, streamBurstPerPeer: 4, rememberedPeers: 3 }
const enters = (admission: Admission, peer: string, now = 0) => {
  try {
    return admission.enter(peer, now)
  } catch (error) {
    assert.ok(error instanceof AdmissionError)
    return undefined
  }
}

describe('admission of streams', () => {
  test('a peer has so many places and so have all', () => {
    const admission = new Admission(LIMITS)
    const places = [1, 2, 3].map(() => enters(admission, 'a'))
    assert.ok(places.every(Boolean))
    assert.equal(enters(admission, 'a'), undefined)
    assert.ok(enters(admission, 'b') && enters(admission, 'b'))
    assert.equal(enters(admission, 'c'), undefined)
    places[0]?.()
    places[0]?.()
    assert.equal(admission.answering, 4)
    assert.ok(enters(admission, 'c'))
  })

  test('a peer may burst and then keeps to its rate', () => {
    const admission = new Admission(LIMITS)
    const rounds = [0, 0, 0, 0, 0, 100, 100, 1000, 1000].map((now) => {
      const leave = enters(admission, 'a', now)
      leave?.()
      return leave !== undefined
    })
    assert.deepEqual(rounds, [true, true, true, true, false, true, false, true, true])
  })

  test('remembers no more peers than it may, and forgets none that is being answered', () => {
    const admission = new Admission({ ...LIMITS, answering: 100 })
    const held = enters(admission, 'held')
    for (let i = 0; i < 50; i++) enters(admission, `peer ${i}`)?.()
    enters(admission, 'held')
    enters(admission, 'held')
    assert.equal(enters(admission, 'held'), undefined)
    held?.()
    assert.ok(enters(admission, 'held'))
  })
})
