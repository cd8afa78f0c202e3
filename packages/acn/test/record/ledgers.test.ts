import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { LEDGERS, type Ledger, ledgerOf, PeerKey, readLedgerAddress } from '@parley/acn/record'
import fc from 'fast-check'

const MESSAGE = Buffer.from('02'.repeat(33))
const KEY = Buffer.alloc(32, 7)
const ORDER = secp256k1.Point.CURVE().n

function known(ledgerId: string): Ledger {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger)
  return ledger
}

const ethereum = known('ethereum')
const fetchai = known('fetchai')
const cosmos = known('cosmos')

/** The same signature with S on the other side of the order's half. */
function otherS(compact: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(compact.subarray(32)).toString('hex')}`)
  const other = (ORDER - s).toString(16).padStart(64, '0')
  return Uint8Array.of(...compact.subarray(0, 32), ...Buffer.from(other, 'hex'))
}

describe('every ledger', () => {
  for (const ledger of LEDGERS) {
    test(`${ledger.ledgerId}: signs what it verifies, the same each time`, () => {
      const publicKey = ledger.publicKeyOf(KEY)
      const signature = ledger.sign(KEY, MESSAGE)
      assert.equal(ledger.sign(KEY, MESSAGE), signature)
      assert.ok(ledger.verify(publicKey, MESSAGE, signature))
      assert.ok(!ledger.verify(publicKey, Buffer.from('another message'), signature))
      assert.ok(!ledger.verify(ledger.publicKeyOf(Buffer.alloc(32, 8)), MESSAGE, signature))
    })

    test(`${ledger.ledgerId}: an address is read as the network writes it, and nothing else is one`, () => {
      const address = ledger.addressOf(ledger.publicKeyOf(KEY)) ?? ''
      const [prefix, digits] = address.startsWith('0x') ? ['0x', address.slice(2)] : ['', address]
      assert.equal(readLedgerAddress(address), address)
      for (const written of [digits.toLowerCase(), digits.toUpperCase()]) {
        assert.equal(ledger.readAddress(prefix + written), address)
      }
      const swapped = [...digits].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('')
      const mixed = address.startsWith('0x') ? prefix + swapped : `F${address.slice(1)}`
      for (const wrong of [mixed, address.slice(1), `${address}0`, address.slice(0, -1), '', `${address} `]) {
        assert.equal(readLedgerAddress(wrong), undefined, wrong)
      }
      fc.assert(fc.property(fc.string(), (text) => readLedgerAddress(text) === undefined))
    })

    test(`${ledger.ledgerId}: any texts are judged, none throws`, () => {
      const publicKey = ledger.publicKeyOf(KEY)
      const signature = ledger.sign(KEY, MESSAGE)
      const cut = (text: string) => fc.nat(text.length - 1).map((length) => text.slice(0, length))
      const keys = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('0', 'x', 'f', '2') }), cut(publicKey))
      const signatures = fc.oneof(
        fc.string(),
        cut(signature),
        fc.constant(`${signature}00`),
        fc.constant(`${signature}A`),
      )
      fc.assert(
        fc.property(keys, signatures, (key, proof) => {
          assert.ok(!ledger.verify(key, MESSAGE, signature))
          assert.ok(!ledger.verify(publicKey, MESSAGE, proof))
          assert.equal(ledger.addressOf(key), undefined)
        }),
      )
    })

    test(`${ledger.ledgerId}: what is no private key is refused without being shown`, () => {
      for (const key of [new Uint8Array(), new Uint8Array(31), new Uint8Array(32), new Uint8Array(32).fill(0xff)]) {
        const expected = { name: 'RangeError', message: 'privateKey must be a secp256k1 private key of 32 bytes' }
        assert.throws(() => ledger.publicKeyOf(key), expected)
        assert.throws(() => ledger.sign(key, MESSAGE), expected)
        assert.throws(() => new PeerKey(key), expected)
      }
    })
  }

  test('an unknown ledger is not there', () => {
    assert.equal(ledgerOf('bitcoin'), undefined)
    assert.equal(ledgerOf(''), undefined)
    assert.equal(ledgerOf('constructor'), undefined)
  })
})

describe('fetchai and cosmos', () => {
  test('the same key has an address on each, and proofs of one are not those of the other by accident', () => {
    const publicKey = fetchai.publicKeyOf(KEY)
    assert.match(fetchai.addressOf(publicKey) ?? '', /^fetch1/)
    assert.match(cosmos.addressOf(publicKey) ?? '', /^cosmos1/)
    assert.equal(fetchai.addressOf(publicKey.toUpperCase()), fetchai.addressOf(publicKey))
  })

  test('signatures have low S, and high S is taken', () => {
    const signature = Buffer.from(fetchai.sign(KEY, MESSAGE), 'base64')
    assert.ok(BigInt(`0x${signature.subarray(32).toString('hex')}`) <= ORDER / 2n)
    const high = Buffer.from(otherS(signature)).toString('base64')
    assert.ok(fetchai.verify(fetchai.publicKeyOf(KEY), MESSAGE, high))
  })

  test('base64 must be standard, padded and whole', () => {
    const publicKey = fetchai.publicKeyOf(KEY)
    const signature = fetchai.sign(KEY, MESSAGE)
    const bytes = Buffer.from(signature, 'base64')
    const urlSafe = signature.replaceAll('+', '-').replaceAll('/', '_')
    for (const text of [signature.slice(0, -2), `${signature}\n`, ` ${signature}`, bytes.toString('hex')]) {
      assert.ok(!fetchai.verify(publicKey, MESSAGE, text))
    }
    assert.ok(urlSafe === signature || !fetchai.verify(publicKey, MESSAGE, urlSafe))
    // Bits behind the last byte.
    const loose = `${signature.slice(0, 85)}${String.fromCharCode(signature.charCodeAt(85) + 1)}==`
    assert.deepEqual(Buffer.from(loose, 'base64'), bytes)
    assert.ok(!fetchai.verify(publicKey, MESSAGE, loose))
  })

  test('zero and oversized numbers sign nothing', () => {
    const publicKey = fetchai.publicKeyOf(KEY)
    for (const fill of [0x00, 0xff]) {
      assert.ok(!fetchai.verify(publicKey, MESSAGE, Buffer.alloc(64, fill).toString('base64')))
    }
  })

  test('a key that is not on the curve has an address and signs nothing', () => {
    // No y belongs to this x.
    const offCurve = `02${'00'.repeat(31)}05`
    assert.throws(() => secp256k1.Point.fromHex(offCurve))
    assert.ok(fetchai.addressOf(offCurve))
    assert.ok(!fetchai.verify(offCurve, MESSAGE, fetchai.sign(KEY, MESSAGE)))
  })
})

describe('ethereum', () => {
  const publicKey = ethereum.publicKeyOf(KEY)
  const signature = ethereum.sign(KEY, MESSAGE)

  test('the address of private key 1 is the known one, in mixed case', () => {
    const one = Buffer.alloc(32)
    one[31] = 1
    assert.equal(ethereum.addressOf(ethereum.publicKeyOf(one)), '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf')
  })

  test('the last byte is 27 or 28: 0 and 1 are refused, and so is the other one', () => {
    const v = Number.parseInt(signature.slice(-2), 16)
    assert.ok(v === 27 || v === 28)
    const withV = (byte: number) => `${signature.slice(0, -2)}${byte.toString(16).padStart(2, '0')}`
    for (const byte of [0, 1, v - 27, 55 - v, 26, 29, 35]) {
      assert.ok(!ethereum.verify(publicKey, MESSAGE, withV(byte)), `v ${byte}`)
    }
    assert.ok(ethereum.verify(publicKey, MESSAGE, withV(v)))
  })

  test('both v are made, for different messages', () => {
    const made = new Set(Array.from({ length: 32 }, (_, i) => ethereum.sign(KEY, Buffer.from([i])).slice(-2)))
    assert.deepEqual([...made].sort(), ['1b', '1c'])
  })

  test('high S is taken with its v', () => {
    const other = Buffer.from(otherS(Buffer.from(signature.slice(2, -2), 'hex'))).toString('hex')
    const v = signature.endsWith('1b') ? '1c' : '1b'
    assert.ok(ethereum.verify(publicKey, MESSAGE, `0x${other}${v}`))
    assert.ok(!ethereum.verify(publicKey, MESSAGE, `0x${other}${signature.slice(-2)}`))
  })

  test('the signature needs its 0x, the key any two characters', () => {
    assert.ok(!ethereum.verify(publicKey, MESSAGE, signature.slice(2)))
    assert.ok(ethereum.verify(publicKey, MESSAGE, `0x${signature.slice(2).toUpperCase()}`))
    assert.ok(ethereum.verify(`zz${publicKey.slice(2)}`, MESSAGE, signature))
    assert.equal(ethereum.addressOf(publicKey.slice(2)), undefined)
    assert.equal(ethereum.addressOf('0x'), undefined)
    assert.equal(ethereum.addressOf('0'), undefined)
    assert.equal(ethereum.addressOf(''), undefined)
  })

  test('signatures of no length and of other lengths prove nothing', () => {
    for (const text of ['', '0x', '0x1b', `0x${'00'.repeat(10)}`, `0x${'00'.repeat(64)}1b`, `0x${'ff'.repeat(64)}1b`]) {
      assert.ok(!ethereum.verify(publicKey, MESSAGE, text))
    }
  })
})
