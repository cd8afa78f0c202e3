import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { peerIdOf, peerPublicKeyFromHex, peerPublicKeyToHex, publicKeyOfPeerId } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import { base58 } from '@scure/base'
import fc from 'fast-check'

const key = fc
  .tuple(fc.constantFrom(2, 3), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([sign, x]) => Uint8Array.of(sign, ...x))

describe('peer ids', () => {
  test('a key and its id say the same', () => {
    fc.assert(
      fc.property(key, (publicKey) => {
        const id = peerIdOf(publicKey)
        assert.match(id, /^16Uiu2HA/)
        assert.deepEqual(publicKeyOfPeerId(id), publicKey)
        assert.deepEqual(peerPublicKeyFromHex(peerPublicKeyToHex(publicKey)), publicKey)
      }),
    )
  })

  test('any other text is refused', () => {
    const ed25519 = base58.encode(Uint8Array.of(0, 36, 8, 1, 18, 32, ...new Uint8Array(32)))
    const uncompressed = base58.encode(Uint8Array.of(0, 37, 8, 2, 18, 33, 4, ...new Uint8Array(32)))
    for (const text of [
      '',
      '0',
      'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n',
      ed25519,
      uncompressed,
      '1'.repeat(1_000_000),
    ]) {
      assert.throws(() => publicKeyOfPeerId(text), DecodeError)
    }
    for (const text of ['', '02', `04${'00'.repeat(32)}`, `0x${'00'.repeat(32)}`, `02${'0g'.repeat(32)}`]) {
      assert.throws(() => peerPublicKeyFromHex(text), DecodeError)
    }
  })
})
