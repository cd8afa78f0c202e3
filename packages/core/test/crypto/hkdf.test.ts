import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hkdfSha512 } from '@parley/core/crypto'
import fc from 'fast-check'
import { opensslHkdf, sodiumHkdf } from '../../src/crypto/hkdf.ts'
import { sodium } from '../../src/crypto/sodium.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 })

suite('HKDF with SHA-512', () => {
  test('libsodium and OpenSSL make the same, one after the other with keys of all lengths', () => {
    assert.ok(sodium, 'sodium-native is not there')
    const ours = sodiumHkdf(sodium)
    const info = fc.string({ unit: 'binary-ascii', maxLength: 200 })
    const length = fc.integer({ min: 1, max: 600 })
    fc.assert(
      fc.property(anyBytes, anyBytes, info, length, (salt, ikm, text, bytes) => {
        assert.deepEqual(ours(salt, ikm, text, bytes), opensslHkdf(salt, ikm, text, bytes))
      }),
    )
  })

  test('as many bytes as the hash allows, and no more', () => {
    const [salt, ikm] = [Buffer.from('salt'), Buffer.from('ikm')]
    assert.deepEqual(hkdfSha512(salt, ikm, 'info', 16_320), opensslHkdf(salt, ikm, 'info', 16_320))
    for (const length of [0, -1, 1.5, 16_321]) assert.throws(() => hkdfSha512(salt, ikm, 'info', length), RangeError)
  })

  test('known values: a step of the chain of keys of blocks', () => {
    const ck1 = Buffer.from('0df7e7aea5ef587881829afb399bbcc2329f43c7c0a9841ae4775c17f0fa30bc', 'hex')
    for (const hkdf of [opensslHkdf, hkdfSha512]) {
      const step = Buffer.from(hkdf(new Uint8Array(), ck1, 'SimpleXSbChain', 88)).toString('hex')
      assert.match(step, /^1d7b10e4/)
      assert.equal(step.slice(64, 128), '3f469881aa7b9b087c0e9bbf44d5651ce9982425a512d8b588c8df870a8d8d99')
      assert.equal(step.slice(128), '4115d6a6f01ab19d41fe92aae6ecd6de379b83e9f75329ea')
    }
  })
})
