import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { AcnStatusError, STATUS } from '@parley/acn/protocol'
import {
  createRecord,
  isNewerRegistration,
  LEDGERS,
  PeerKey,
  REGISTRATION_LIFETIME,
  REGISTRATION_SKEW,
  type SignedRegistration,
  signRegistration,
  verifyRegistration,
} from '@parley/acn/record'
import fc from 'fast-check'
import { decodeDates, encodeDates } from '../../src/entrance/extension.ts'

const NOW = Date.UTC(2026, 10, 23)
const peer = new PeerKey(randomBytes(32))
const other = new PeerKey(randomBytes(32))

function recordFor({ publicKeyHex: peerPublicKey }: PeerKey, ledger = LEDGERS[0]) {
  assert.ok(ledger)
  return createRecord(ledger, { privateKey: new Uint8Array(32).fill(9), peerPublicKey })
}

function refused(registration: SignedRegistration, code: number = STATUS.ERROR_INVALID_PROOF): void {
  assert.throws(
    () => verifyRegistration(registration, { now: NOW }),
    (error) => error instanceof AcnStatusError && error.code === code,
  )
}

describe('signed registrations', () => {
  const record = recordFor(peer)

  test('what a peer signs is valid, of each ledger, for its time', () => {
    for (const ledger of LEDGERS) {
      const registration = signRegistration(recordFor(peer, ledger), peer, NOW)
      verifyRegistration(registration, { now: NOW })
      verifyRegistration(registration, { now: NOW + REGISTRATION_LIFETIME - 1 })
    }
  })

  test('the dates are enforced', () => {
    refused(signRegistration(record, peer, NOW + REGISTRATION_SKEW + 1))
    verifyRegistration(signRegistration(record, peer, NOW + REGISTRATION_SKEW), { now: NOW })
    refused(signRegistration(record, peer, NOW - REGISTRATION_LIFETIME))
    const { expiresAt, ...rest } = signRegistration(record, peer, NOW)
    refused({ ...rest, expiresAt: expiresAt + 1 })
  })

  test('no date can be changed, nor the record', () => {
    const registration = signRegistration(record, peer, NOW)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (change) => {
        refused({ ...registration, issuedAt: NOW - change })
        refused({ ...registration, expiresAt: registration.expiresAt - change })
      }),
    )
    refused({ ...registration, record: { ...record, serviceId: 'other' } })
    refused({ ...registration, record: recordFor(peer, LEDGERS[1]) })
  })

  test('only the peer that the agent took can sign', () => {
    refused(signRegistration(record, other, NOW))
    const stolen = { ...record, peerPublicKey: other.publicKeyHex }
    refused(signRegistration(stolen, other, NOW), STATUS.ERROR_INVALID_PROOF)
  })

  test('the newer one is right; of two of one moment always the same', () => {
    const [a, b] = [signRegistration(record, peer, NOW), signRegistration(recordFor(other), other, NOW)]
    assert.notEqual(isNewerRegistration(a, b), isNewerRegistration(b, a))
    assert.equal(isNewerRegistration(signRegistration(record, peer, NOW + 1), b), true)
    assert.equal(isNewerRegistration(a, a), false)
  })

  test('dates are read as they were written, and nothing else throws but a DecodeError', () => {
    const dates = fc.record(
      {
        issuedAt: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        expiresAt: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        signature: fc.uint8Array({ maxLength: 80 }),
      },
      { noNullPrototype: true },
    )
    fc.assert(fc.property(dates, (value) => assert.deepEqual(decodeDates(encodeDates(value)), value)))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decodeDates(bytes)
        } catch (error) {
          assert.equal((error as Error).name, 'DecodeError')
        }
      }),
    )
  })
})
