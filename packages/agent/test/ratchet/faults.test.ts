import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decryptMessage,
  MAX_SKIPPED,
  RatchetError,
  type RatchetErrorReason,
  ratchetToJson,
  SkippedKeyMap,
} from '@parley/agent/ratchet'
import { agreedParties, freshRandom, type Party, SETTINGS } from './party.ts'

const plain = { alicePq: false, bobKem: 'none' } as const

function flip(bytes: Uint8Array, index: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[index] = (changed[index] ?? 0) ^ 1
  return changed
}

/** The message changes nothing and is refused before any state is made. */
function refused(party: Party, message: Uint8Array, reason: RatchetErrorReason): void {
  const before = JSON.stringify(ratchetToJson(party.ratchet))
  assert.throws(
    () => party.tryReceive(message),
    (error) => {
      assert.ok(error instanceof RatchetError)
      assert.deepEqual(error.reason, reason)
      return true
    },
  )
  assert.equal(JSON.stringify(ratchetToJson(party.ratchet)), before)
}

/** The message is refused after the state has changed as far as it can. */
function failed(party: Party, message: Uint8Array, reason: RatchetErrorReason): void {
  const outcome = party.tryReceive(message)
  assert.ok(!outcome.ok, 'decrypted')
  assert.deepEqual(outcome.error.reason, reason)
}

describe('a message received twice', () => {
  it('is DUPLICATE when it was the last one', () => {
    const { alice, bob } = agreedParties(plain)
    const message = bob.send('once')
    alice.receive(message)
    failed(alice, message, { code: 'DUPLICATE' })
    assert.equal(alice.receive(bob.send('next')), 'next')
  })

  it('is EARLIER by its distance from the last one otherwise', () => {
    const { alice, bob } = agreedParties(plain)
    const first = bob.send('first')
    alice.receive(first)
    for (let distance = 1; distance <= 3; distance++) {
      alice.receive(bob.send('more'))
      failed(alice, first, { code: 'EARLIER', count: distance })
    }
  })

  it('is HEADER when its chain is over', () => {
    const { alice, bob } = agreedParties(plain)
    const first = bob.send('first')
    alice.receive(first)
    bob.receive(alice.send('answer'))
    alice.receive(bob.send('new chain'))
    refused(alice, first, { code: 'HEADER' })
  })

  it('is HEADER when it was a skipped one of a chain that is over but has other kept keys', () => {
    const { alice, bob } = agreedParties(plain)
    const [first, second] = [bob.send('0'), bob.send('1')]
    alice.receive(bob.send('2'))
    bob.receive(alice.send('answer'))
    alice.receive(bob.send('new chain'))
    assert.equal(alice.receive(first), '0')
    refused(alice, first, { code: 'HEADER' })
    assert.equal(alice.receive(second), '1')
  })

  it('is EARLIER when it was a skipped one of the current chain that has other kept keys', () => {
    const { alice, bob } = agreedParties(plain)
    const [first, second] = [bob.send('0'), bob.send('1')]
    alice.receive(bob.send('2'))
    assert.equal(alice.receive(first), '0')
    failed(alice, first, { code: 'EARLIER', count: 2 })
    assert.equal(alice.receive(second), '1')
  })
})

describe('skipped messages', () => {
  it(`are kept up to ${MAX_SKIPPED} of one step`, () => {
    const { alice, bob } = agreedParties(plain)
    const messages = Array.from({ length: MAX_SKIPPED + 1 }, (_, i) => bob.send(`${i}`))
    assert.equal(alice.receive(messages[MAX_SKIPPED] ?? new Uint8Array()), `${MAX_SKIPPED}`)
    assert.equal(alice.skipped.size, MAX_SKIPPED)
    assert.equal(alice.receive(messages[0] ?? new Uint8Array()), '0')
    assert.equal(alice.skipped.size, MAX_SKIPPED - 1)
  })

  it('are TOO_MANY_SKIPPED beyond that; in a new chain the ratchet has advanced', () => {
    const { alice, bob } = agreedParties(plain)
    const first = bob.send('0')
    for (let i = 1; i <= MAX_SKIPPED; i++) bob.send(`${i}`)
    const far = bob.send('far')
    failed(alice, far, { code: 'TOO_MANY_SKIPPED', count: MAX_SKIPPED + 2 })
    assert.ok(alice.ratchet.receiving, 'the ratchet step was made')
    assert.equal(alice.receive(first), '0')
    assert.equal(alice.receive(far), 'far')
  })

  it('are TOO_MANY_SKIPPED before the ratchet step when they are of the previous chain', () => {
    const { alice, bob } = agreedParties(plain)
    const seen = [bob.send('0'), bob.send('1')]
    alice.receive(seen[0] ?? new Uint8Array())
    for (let i = 0; i < MAX_SKIPPED + 1; i++) bob.send('lost')
    bob.receive(alice.send('answer'))
    refused(alice, bob.send('new chain'), { code: 'TOO_MANY_SKIPPED', count: MAX_SKIPPED + 3 })
    assert.equal(alice.receive(seen[1] ?? new Uint8Array()), '1')
  })

  it('have no limit over several steps', () => {
    const { alice, bob } = agreedParties(plain)
    for (let step = 0; step < 2; step++) {
      for (let i = 0; i < MAX_SKIPPED; i++) bob.send('lost')
      alice.receive(bob.send('came'))
    }
    assert.equal(alice.skipped.size, 2 * MAX_SKIPPED)
  })
})

describe('a damaged message', () => {
  for (const [name, setting] of SETTINGS) {
    it(`gives no plaintext: ${name}`, () => {
      const { alice, bob } = agreedParties(setting)
      alice.receive(bob.send('first'))
      const message = bob.send('second')
      refused(alice, flip(message, 40), { code: 'HEADER' })
      failed(alice, flip(message, message.length - 1), { code: 'DECRYPT_AES' })
      // The damaged body has used the key up.
      failed(alice, message, { code: 'DUPLICATE' })
      assert.equal(alice.receive(bob.send('third')), 'third')
    })
  }

  it('uses the kept key of a skipped message up', () => {
    const { alice, bob } = agreedParties(plain)
    const skipped = bob.send('0')
    alice.receive(bob.send('1'))
    const before = JSON.stringify(ratchetToJson(alice.ratchet))
    failed(alice, flip(skipped, skipped.length - 1), { code: 'DECRYPT_AES' })
    assert.equal(alice.skipped.size, 0)
    assert.equal(JSON.stringify(ratchetToJson(alice.ratchet)), before)
  })

  it('is SYNTAX when it is cut', () => {
    const { alice, bob } = agreedParties(plain)
    const message = bob.send('whole')
    for (const length of [0, 1, 2, 60, 125, 141]) refused(alice, message.subarray(0, length), { code: 'SYNTAX' })
  })

  it('of somebody else is HEADER', () => {
    const { alice } = agreedParties(plain)
    refused(alice, agreedParties(plain).bob.send('hello'), { code: 'HEADER' })
  })
})

it('a KEM ciphertext for no proposed key is KEM_STATE and changes nothing', () => {
  const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'accept' })
  alice.receive(bob.send('first'))
  const answer = alice.send('with a ciphertext')
  const { kem: _, ...withoutKem } = bob.ratchet
  assert.throws(() => decryptMessage(withoutKem, new SkippedKeyMap(), answer, freshRandom()), { code: 'KEM_STATE' })
})
