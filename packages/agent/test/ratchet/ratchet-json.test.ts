import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRatchet, type RatchetJson, ratchetFromJson, ratchetToJson, serializeRatchet } from '@parley/agent/ratchet'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { agreedParties, SETTINGS } from './party.ts'

function someStates(): RatchetJson[] {
  return SETTINGS.flatMap(([, setting]) => {
    const { alice, bob } = agreedParties(setting)
    const states = [alice.ratchet, bob.ratchet]
    alice.receive(bob.send('one'))
    bob.receive(alice.send('two'))
    return [...states, alice.ratchet, bob.ratchet].map(ratchetToJson)
  })
}

describe('the stored form of a ratchet', () => {
  it('is read as it was written', () => {
    for (const json of someStates()) {
      const text = JSON.stringify(json)
      assert.equal(serializeRatchet(parseRatchet(text)), text)
    }
  })

  it('of version 2, before there was a KEM, is read with the KEM off', () => {
    const { alice } = agreedParties({ version: 2, alicePq: false, bobKem: 'none' })
    const { rcSupportKEM, rcEnableKEM, rcSndKEM, rcRcvKEM, ...old } = ratchetToJson(alice.ratchet)
    assert.deepEqual([rcSupportKEM, rcEnableKEM, rcSndKEM, rcRcvKEM], [false, false, false, false])
    assert.deepEqual(ratchetToJson(ratchetFromJson(old)), ratchetToJson(alice.ratchet))
  })

  it('has its versions as a pair, and is read also with names', () => {
    const { alice } = agreedParties({ alicePq: false, bobKem: 'none' })
    const json = ratchetToJson(alice.ratchet)
    assert.deepEqual(json.rcVersion, [3, 3])
    assert.deepEqual(ratchetFromJson({ ...json, rcVersion: { current: 2, maxSupported: 3 } }).versions, {
      current: 2,
      maxSupported: 3,
    })
  })

  it('is refused with a DecodeError when any field is wrong or missing', () => {
    const [json] = someStates()
    assert.ok(json)
    const optional = new Set(['rcKEM', 'rcSnd', 'rcRcv', 'rcSupportKEM', 'rcEnableKEM', 'rcSndKEM', 'rcRcvKEM'])
    const wrong = fc.oneof(fc.constantFrom('', 'x', '%%', 'AA==', -1, 1.5, 2 ** 40, [], [1], {}, 'TUE=', false, null))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(json)), wrong, (key, value) => {
        const changed = { ...json, [key]: value }
        try {
          ratchetFromJson(changed)
        } catch (error) {
          assert.ok(error instanceof DecodeError, `${key}: ${String(error)}`)
        }
        const { [key as keyof RatchetJson]: _, ...without } = json
        if (!optional.has(key)) assert.throws(() => ratchetFromJson(without), DecodeError)
      }),
    )
  })

  it('is refused with a DecodeError when it is anything else', () => {
    fc.assert(fc.property(fc.json(), (text) => assert.throws(() => parseRatchet(text), DecodeError)))
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('{'))
        assert.throws(() => parseRatchet(text), DecodeError)
      }),
    )
  })
})
