import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEDGERS, ledgerOf } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'
import { aeaKeyForm, readAeaKey, writeAeaKey } from '../../src/identity/aea-keys.ts'
import { openEax, sealEax } from '../../src/identity/eax.ts'
import { LedgerIdentityError, type LedgerIdentityErrorCode } from '../../src/identity/identity-error.ts'
import { newPrivateKey } from '../../src/identity/identity-folder.ts'
import vectors from './vectors/aea-keys.json' with { type: 'json' }

const failsWith = (code: LedgerIdentityErrorCode) => (error: unknown) =>
  error instanceof LedgerIdentityError && error.code === code

describe('key files of the Python agents', () => {
  for (const [number, { ledger: ledgerId, address, text, ...vector }] of vectors.keys.entries()) {
    const passphrase = 'passphrase' in vector ? vector.passphrase : undefined
    test(`file ${number}: ${ledgerId}, ${passphrase === undefined ? 'plain' : `passphrase ${passphrase}`}`, async () => {
      const ledger = ledgerOf(ledgerId)
      assert.ok(ledger)
      const privateKey = await readAeaKey(`${text}\n`, passphrase)
      assert.equal(ledger.addressOf(ledger.publicKeyOf(privateKey)), address)
      if (passphrase === undefined) {
        assert.equal(await writeAeaKey(ledger, privateKey, undefined), text)
        return
      }
      await assert.rejects(readAeaKey(text, `${passphrase}x`), failsWith('PASSPHRASE'))
      await assert.rejects(readAeaKey(text, undefined), failsWith('PASSPHRASE'))
    })
  }

  for (const ledger of LEDGERS) {
    test(`what is written for ${ledger.ledgerId} is read`, async () => {
      const privateKey = newPrivateKey(ledger)
      for (const passphrase of [undefined, 'pässwort ÿ']) {
        const text = await writeAeaKey(ledger, privateKey, passphrase)
        if (passphrase !== undefined) assert.ok(!text.includes(toHex(privateKey)))
        assert.equal(toHex(await readAeaKey(text, passphrase)), toHex(privateKey))
      }
    })
  }

  test('a passphrase that open-aea could not use is refused', async () => {
    for (const ledgerId of ['fetchai', 'cosmos']) {
      const ledger = ledgerOf(ledgerId)
      assert.ok(ledger)
      await assert.rejects(writeAeaKey(ledger, newPrivateKey(ledger), '€'), failsWith('PASSPHRASE'))
    }
  })

  test('what is no key file is refused, and nothing of it is repeated', async () => {
    const [, sealed] = vectors.keys
    assert.ok(sealed)
    const changed = (change: object) => JSON.stringify({ ...JSON.parse(sealed.text), ...change })
    const v3 = JSON.parse(vectors.keys.find(({ passphrase }) => passphrase === 'pb')?.text ?? '')
    const withKdf = (kdf: object) => JSON.stringify({ ...v3, crypto: { ...v3.crypto, ...kdf } })
    const wrong = [
      '',
      'ab'.repeat(31),
      `${'ab'.repeat(32)}ab`,
      '[]',
      '{}',
      '{"crypto":7}',
      changed({ tag: 'AAAA' }),
      changed({ nonce: 'no base64!' }),
      withKdf({ kdf: 'scrypt', kdfparams: { ...v3.crypto.kdfparams, n: 2 ** 30, r: 8, p: 1 } }),
      withKdf({ kdf: 'scrypt', kdfparams: { ...v3.crypto.kdfparams, n: 3, r: 8, p: 1 } }),
      withKdf({ kdfparams: { ...v3.crypto.kdfparams, c: 1e12 } }),
      withKdf({ kdf: 'argon2' }),
      withKdf({ cipher: 'rot13' }),
    ]
    for (const text of wrong) {
      await assert.rejects(readAeaKey(text, 'secret'), (error) => {
        assert.ok(failsWith('FORMAT')(error), text)
        assert.ok(!(error as Error).message.includes('ab'.repeat(8)))
        return true
      })
    }
    assert.equal(aeaKeyForm('{"parleyIdentity":1}'), undefined)
  })
})

/** Made by pycryptodome 3.24.1: key 00 01 … 0f, nonce 00 01 …, text of bytes 7·i. */
const EAX_VECTORS = [
  { nonceLength: 16, length: 0, ciphertext: '', tag: '1ce10d3effd4cadbe2e44b58d60ab9ec' },
  { nonceLength: 16, length: 1, ciphertext: '29', tag: '93cc072e5d967ad44af0111abaf606ce' },
  {
    nonceLength: 8,
    length: 16,
    ciphertext: '016a83554c4fee12ce7700f76472c90e',
    tag: '041957f2ca0b52cf3cffdb83a03e392f',
  },
  {
    nonceLength: 5,
    length: 33,
    ciphertext: '7cad269760f877b592d017cf3b1171af85347bc69840f75859f186951fb461d7e3',
    tag: 'a793bedac2e6b66d0bf75fe32ed65695',
  },
]

describe('EAX', () => {
  const count = (length: number, factor = 1) => Uint8Array.from({ length }, (_, i) => i * factor)
  const key = count(16)

  test('seals and opens as other implementations do', () => {
    for (const { nonceLength, length, ciphertext, tag } of EAX_VECTORS) {
      const sealed = sealEax(key, count(nonceLength), count(length, 7))
      assert.deepEqual([toHex(sealed.ciphertext), toHex(sealed.tag)], [ciphertext, tag])
      assert.deepEqual(openEax(key, count(nonceLength), sealed), count(length, 7))
    }
  })

  test('a changed key, nonce, text or tag does not open', () => {
    const nonce = count(16)
    const sealed = sealEax(key, nonce, Buffer.from('text'))
    const changed = (data: Uint8Array) => data.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
    assert.equal(openEax(changed(key), nonce, sealed), undefined)
    assert.equal(openEax(key, changed(nonce), sealed), undefined)
    assert.equal(openEax(key, nonce, { ...sealed, ciphertext: changed(sealed.ciphertext) }), undefined)
    assert.equal(openEax(key, nonce, { ...sealed, tag: changed(sealed.tag) }), undefined)
    assert.equal(openEax(key, nonce, { ...sealed, tag: sealed.tag.subarray(1) }), undefined)
  })
})
