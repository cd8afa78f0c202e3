import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AcnStatusError, type AgentRecord, STATUS } from '@parley/acn/protocol'
import { createRecord, LEDGERS, ledgerOf, PeerKey, ProofCache, verifyRepresentation } from '@parley/acn/record'
import fc from 'fast-check'
import { record as anyRecord } from '../protocol/arbitraries.ts'

const peer = new PeerKey(Buffer.alloc(32, 1))
const other = new PeerKey(Buffer.alloc(32, 2))

function recordOn(ledgerId: string, privateByte = 3): AgentRecord {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger)
  return createRecord(ledger, { privateKey: Buffer.alloc(32, privateByte), peerPublicKey: peer.publicKeyHex })
}

interface Asked {
  readonly address?: string
  readonly peerKey?: string
  readonly now?: number
}

/** The code of the refusal, SUCCESS when there is none. */
function codeOf(
  record: AgentRecord,
  { address = record.address, peerKey = peer.publicKeyHex, now }: Asked = {},
): number {
  const expectation = { expectedAddress: address, representativePublicKey: peerKey }
  try {
    verifyRepresentation(record, expectation, now === undefined ? {} : { now })
    return STATUS.SUCCESS
  } catch (error) {
    assert.ok(error instanceof AcnStatusError)
    return error.code
  }
}

describe('proof of representation', () => {
  for (const { ledgerId } of LEDGERS) {
    const good = recordOn(ledgerId)
    const foreign = recordOn(ledgerId, 4)

    test(`${ledgerId}: a good record is taken, whatever its service`, () => {
      assert.equal(codeOf(good), STATUS.SUCCESS)
      for (const serviceId of ['', 'other']) assert.equal(codeOf({ ...good, serviceId }), STATUS.SUCCESS)
    })

    test(`${ledgerId}: each fault has its code`, () => {
      assert.equal(codeOf(good, { address: foreign.address }), STATUS.ERROR_WRONG_AGENT_ADDRESS)
      for (const ledger of ['bitcoin', '', ledgerId.toUpperCase()]) {
        assert.equal(codeOf({ ...good, ledgerId: ledger }), STATUS.ERROR_UNSUPPORTED_LEDGER)
      }
      assert.equal(codeOf(good, { peerKey: other.publicKeyHex }), STATUS.ERROR_WRONG_PUBLIC_KEY)
      assert.equal(codeOf({ ...good, peerPublicKey: '' }), STATUS.ERROR_WRONG_PUBLIC_KEY)
      assert.equal(codeOf({ ...good, publicKey: foreign.publicKey }), STATUS.ERROR_WRONG_AGENT_ADDRESS)
      assert.equal(codeOf({ ...good, address: foreign.address }), STATUS.ERROR_WRONG_AGENT_ADDRESS)
      for (const signature of ['', '0', '0x', foreign.signature, good.signature.slice(0, -4)]) {
        assert.equal(codeOf({ ...good, signature }), STATUS.ERROR_INVALID_PROOF)
      }
    })

    test(`${ledgerId}: keys of no length or of another one are another agent's`, () => {
      for (const publicKey of [
        '',
        '0',
        '0x',
        '02',
        good.publicKey.slice(0, -2),
        `${good.publicKey}00`,
        'f'.repeat(5000),
      ]) {
        assert.equal(codeOf({ ...good, publicKey }), STATUS.ERROR_WRONG_AGENT_ADDRESS)
      }
    })

    test(`${ledgerId}: the proof is for one peer`, () => {
      const moved = { ...good, peerPublicKey: other.publicKeyHex }
      assert.equal(codeOf(moved, { peerKey: other.publicKeyHex }), STATUS.ERROR_INVALID_PROOF)
    })

    test(`${ledgerId}: an empty peer key proves nothing, signed or not`, () => {
      const ledger = ledgerOf(ledgerId)
      assert.ok(ledger)
      const signed = createRecord(ledger, { privateKey: Buffer.alloc(32, 3), peerPublicKey: '' })
      // Nor where a peer is expected that has no key of the right kind: its connection gives an empty one.
      for (const expected of [{}, { representativePublicKey: '' }]) {
        assert.throws(() => verifyRepresentation(signed, { expectedAddress: signed.address, ...expected }), {
          code: STATUS.ERROR_WRONG_PUBLIC_KEY,
        })
      }
    })
  }

  test('faults are found in the order address, ledger, peer key, address of the key, signature', () => {
    const faults = [
      [{ signature: '' }, STATUS.ERROR_INVALID_PROOF],
      [{ publicKey: '' }, STATUS.ERROR_WRONG_AGENT_ADDRESS],
      [{ peerPublicKey: other.publicKeyHex }, STATUS.ERROR_WRONG_PUBLIC_KEY],
      [{ ledgerId: 'bitcoin' }, STATUS.ERROR_UNSUPPORTED_LEDGER],
    ] as const
    let record = recordOn('fetchai')
    const { address } = record
    for (const [fault, code] of faults) {
      record = { ...record, ...fault }
      assert.equal(codeOf(record, { address }), code)
    }
    assert.equal(codeOf(record, { address: `${address}0` }), STATUS.ERROR_WRONG_AGENT_ADDRESS)
  })

  test('an Ethereum address in lower case is another address', () => {
    const good = recordOn('ethereum')
    const lower = { ...good, address: good.address.toLowerCase() }
    assert.notEqual(lower.address, good.address)
    assert.equal(codeOf(lower), STATUS.ERROR_WRONG_AGENT_ADDRESS)
  })

  test('where any peer may be the representative it must still be named by a key', () => {
    const good = recordOn('cosmos')
    verifyRepresentation(good, { expectedAddress: good.address })
    for (const peerPublicKey of ['', 'me', peer.publicKeyHex.slice(2), `04${peer.publicKeyHex.slice(2)}`]) {
      const record = { ...good, peerPublicKey }
      assert.throws(() => verifyRepresentation(record, { expectedAddress: good.address }), {
        code: STATUS.ERROR_WRONG_PUBLIC_KEY,
      })
    }
  })

  test('arbitrary records are refused with a status and nothing else', () => {
    const ledgerIds = fc.constantFrom(...LEDGERS.map(({ ledgerId }) => ledgerId))
    fc.assert(
      fc.property(anyRecord, ledgerIds, (record, ledgerId) => {
        const { peerPublicKey: peerKey } = record
        assert.notEqual(codeOf({ ...record, ledgerId }, { peerKey }), STATUS.SUCCESS)
      }),
    )
  })

  test('refusals hold nothing of the record', () => {
    const record = { ...recordOn('fetchai'), signature: 'private words' }
    assert.throws(
      () => verifyRepresentation(record, { expectedAddress: record.address }),
      (error) => {
        assert.ok(error instanceof AcnStatusError)
        assert.ok(!error.message.includes('private'))
        return true
      },
    )
  })
})

describe('dates of a record', () => {
  const at = (text: string) => ({ now: Date.parse(text) })
  const dated = (notBefore: string, notAfter: string) => ({ ...recordOn('fetchai'), notBefore, notAfter })

  test('are enforced where they are there', () => {
    const year = dated('2026-01-01', '2027-01-01')
    assert.equal(codeOf(year, at('2025-12-31T23:59:59Z')), STATUS.ERROR_INVALID_PROOF)
    assert.equal(codeOf(year, at('2026-01-01T00:00:00Z')), STATUS.SUCCESS)
    assert.equal(codeOf(year, at('2027-01-01T00:00:00Z')), STATUS.SUCCESS)
    assert.equal(codeOf(year, at('2027-01-01T00:00:01Z')), STATUS.ERROR_INVALID_PROOF)
    assert.equal(codeOf(dated('2026-01-01', ''), at('2100-01-01T00:00:00Z')), STATUS.SUCCESS)
    assert.equal(codeOf(dated('', '2026-01-01'), at('1990-01-01T00:00:00Z')), STATUS.SUCCESS)
  })

  test('that are no days allow nothing', () => {
    for (const day of ['2026-02-31', '2026-13-01', '2026-1-1', '2026-01-01T00:00:00Z', 'tomorrow', ' ']) {
      assert.equal(codeOf(dated(day, '')), STATUS.ERROR_INVALID_PROOF)
      assert.equal(codeOf(dated('', day)), STATUS.ERROR_INVALID_PROOF)
    }
  })

  test('are looked at each time, also when the proof is remembered', () => {
    const cache = new ProofCache()
    const record = dated('', '2026-01-01')
    const expectation = { expectedAddress: record.address }
    verifyRepresentation(record, expectation, { cache, ...at('2025-06-01') })
    assert.throws(() => verifyRepresentation(record, expectation, { cache, ...at('2026-06-01') }), {
      code: STATUS.ERROR_INVALID_PROOF,
    })
  })
})

describe('remembered proofs', () => {
  const good = recordOn('fetchai')

  test('only what was found valid is remembered, and only exactly that', () => {
    const cache = new ProofCache()
    const forged = { ...good, signature: recordOn('fetchai', 4).signature }
    const expectation = { expectedAddress: good.address }
    assert.throws(() => verifyRepresentation(forged, expectation, { cache }))
    assert.equal(cache.size, 0)
    verifyRepresentation(good, expectation, { cache })
    assert.equal(cache.size, 1)
    assert.throws(() => verifyRepresentation(forged, expectation, { cache }), { code: STATUS.ERROR_INVALID_PROOF })
    const swapped = { ...good, publicKey: good.peerPublicKey, peerPublicKey: good.publicKey }
    assert.ok(!cache.has(swapped))
  })

  test('a remembered proof does not stand in for address, ledger and peer key', () => {
    const cache = new ProofCache()
    verifyRepresentation(good, { expectedAddress: good.address }, { cache })
    const elsewhere = { expectedAddress: good.address, representativePublicKey: other.publicKeyHex }
    assert.throws(() => verifyRepresentation(good, elsewhere, { cache }), { code: STATUS.ERROR_WRONG_PUBLIC_KEY })
    assert.throws(() => verifyRepresentation(good, { expectedAddress: 'x' }, { cache }), {
      code: STATUS.ERROR_WRONG_AGENT_ADDRESS,
    })
  })

  test('there are never more than the limit, the one used longest ago goes', () => {
    const cache = new ProofCache(2)
    const [a, b, c] = ['a', 'b', 'c'].map((signature) => ({ ...good, signature })) as [
      AgentRecord,
      AgentRecord,
      AgentRecord,
    ]
    cache.add(a)
    cache.add(b)
    assert.ok(cache.has(a))
    cache.add(c)
    assert.equal(cache.size, 2)
    assert.ok(cache.has(a))
    assert.ok(!cache.has(b))
    assert.ok(cache.has(c))
  })
})
