import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type E2eParams,
  e2eParamsNeedKemKeyPair,
  generateRcvE2eParams,
  generateSndE2eParams,
  RatchetError,
  ratchetRandom,
  type X3dhResult,
  x3dhRcv,
  x3dhSnd,
} from '@parley/agent/ratchet'
import { PublicKey } from '@parley/core/crypto'
import { concatBytes, toHex } from '@parley/core/encoding'
import { chainKdf, rootKdf, x3dhKdf } from '../../src/ratchet/kdf.ts'
import { freshRandom, kem } from './party.ts'

const filled = (byte: number, length: number) => new Uint8Array(length).fill(byte)

describe('key derivation gives the values of pqdr.md §2', () => {
  it('X3DH', () => {
    const { headerKey, nextHeaderKey, rootKey } = x3dhKdf(filled(3, 168))
    assert.equal(toHex(headerKey), '50aef604ddd1719c5497540cdcdddf9256734f25c97edfd7cf1a71a70ea36c6b')
    assert.equal(toHex(nextHeaderKey), '1b56975ddad9eb601a788e2169a2a5318c1c63a2be38327fc4fe3b6981561327')
    assert.equal(toHex(rootKey), 'fff0f015687d6d54c7277dac9da4ccf1ba6198faec9db73923e948e41b2495c8')
  })

  it('root', () => {
    const { rootKey, chainKey, nextHeaderKey } = rootKdf(filled(5, 32), filled(6, 56), undefined)
    assert.equal(toHex(rootKey), '965b21a344ec50d090b65d9cc225f7076c535bef360805b754d4b806c10d2e73')
    assert.equal(toHex(chainKey), '99b5c641f29360f0eb945e094b51233410b2c70004c6a77a4bf35f9926e631dd')
    assert.equal(toHex(nextHeaderKey), '3ce59a59b56ee7806f8342d211064aa105de206c6684499af0de330ebdd8f6a1')
  })

  it('chain', () => {
    const { chainKey, messageKey, bodyIv, headerIv } = chainKdf(filled(4, 32))
    assert.equal(toHex(chainKey), '105364be66d75b964a9acde3c1267e34bb89f2b34362362d14063be89264ed4f')
    assert.equal(toHex(messageKey), '60210e5422708bc595155ffb92e0fca3b138b5d78c3f3e5647cc023c78246783')
    assert.equal(toHex(bodyIv), '2edadbf93c805686b0699578d4d5e511')
    assert.equal(toHex(headerIv), '66bfc37a15e16ab837fb9d9a64b6fac7')
  })
})

/** Both sides' results, equal but for the KEM keys that each keeps for itself. */
function agreement(version: number, alicePq: boolean, bob: { pq: boolean; sees?: Pick<E2eParams, 'kem'> }) {
  const alice = generateRcvE2eParams({ version, pq: alicePq }, freshRandom())
  const joiner = generateSndE2eParams({ version, pq: bob.pq }, bob.sees ?? alice.params, freshRandom())
  const rcv = x3dhRcv(alice.keys, joiner.params, { kem })
  const snd = x3dhSnd(joiner.keys, alice.params)
  const shared = ({ associatedData, rootKey, sndHeaderKey, rcvNextHeaderKey }: X3dhResult) =>
    [associatedData, rootKey, sndHeaderKey, rcvNextHeaderKey].map(toHex)
  assert.deepEqual(shared(rcv), shared(snd))
  assert.equal(toHex(rcv.associatedData), toHex(concatBytes(joiner.params.key1.raw, alice.params.key1.raw)))
  return { alice, joiner, rcv, snd }
}

describe('key agreement', () => {
  for (const version of [2, 3]) {
    it(`without a KEM, version ${version}`, () => {
      const { rcv, snd } = agreement(version, false, { pq: false })
      assert.deepEqual([rcv.kemKeyPair, rcv.kemAccepted, snd.kemKeyPair, snd.kemAccepted], Array(4).fill(undefined))
    })
  }

  it('ignores the KEM in version 2', () => {
    const { alice, joiner } = agreement(2, true, { pq: true })
    assert.equal(alice.params.kem, undefined)
    assert.equal(joiner.params.kem, undefined)
    assert.equal(e2eParamsNeedKemKeyPair({ version: 2, pq: true }), false)
  })

  it('with a proposed key that is accepted uses its secret', () => {
    const { alice, joiner, rcv, snd } = agreement(3, true, { pq: true })
    assert.equal(joiner.params.kem?.type, 'accepted')
    assert.deepEqual(rcv.kemAccepted?.sharedSecret, snd.kemAccepted?.sharedSecret)
    assert.deepEqual(rcv.kemAccepted?.peerKey, joiner.params.kem?.publicKey)
    assert.deepEqual(snd.kemAccepted?.peerKey, alice.params.kem?.publicKey)
    assert.deepEqual(snd.kemKeyPair?.publicKey, joiner.params.kem?.publicKey)
  })

  it('with a key proposed by the joiner alone leaves it for the ratchet', () => {
    const { joiner, rcv, snd } = agreement(3, false, { pq: true })
    assert.equal(joiner.params.kem?.type, 'proposed')
    assert.ok(snd.kemKeyPair && !snd.kemAccepted && !rcv.kemKeyPair)
  })

  it('with keys proposed by both drops the first', () => {
    const { rcv, snd } = agreement(3, true, { pq: true, sees: {} })
    assert.ok(snd.kemKeyPair && !snd.kemAccepted && !rcv.kemKeyPair && !rcv.kemAccepted)
  })

  it('with a proposed key that is not wanted goes on without', () => {
    const { rcv, snd } = agreement(3, true, { pq: false })
    assert.ok(!snd.kemKeyPair && !rcv.kemKeyPair)
  })

  it('refuses a ciphertext when nothing was proposed', () => {
    const alice = generateRcvE2eParams({ version: 3, pq: false }, freshRandom())
    const other = generateRcvE2eParams({ version: 3, pq: true }, freshRandom())
    const joiner = generateSndE2eParams({ version: 3, pq: true }, other.params, freshRandom())
    assert.throws(() => x3dhRcv(alice.keys, joiner.params, { kem }), new RatchetError({ code: 'KEM_STATE' }))
    assert.throws(() => x3dhSnd(joiner.keys, alice.params), new RatchetError({ code: 'KEM_STATE' }))
  })

  it('refuses keys of low order and of another curve', () => {
    const alice = generateRcvE2eParams({ version: 3, pq: false }, freshRandom())
    const zero = { ...alice.params, key1: new PublicKey('x448', new Uint8Array(56)) }
    const other = generateRcvE2eParams({ version: 3, pq: false, algorithm: 'x25519' }, freshRandom())
    for (const params of [zero, other.params]) {
      assert.throws(() => x3dhSnd(alice.keys, params), new RatchetError({ code: 'SYNTAX' }))
    }
  })

  it('takes KEM key pairs from the caller, who must have made one', () => {
    const needed = { version: 3, pq: true }
    assert.equal(e2eParamsNeedKemKeyPair(needed), true)
    assert.throws(() => generateRcvE2eParams(needed, ratchetRandom(kem)), /no KEM key pair/)
    const random = freshRandom()
    random.kemKeyPair()
    assert.throws(() => random.kemKeyPair(), /no KEM key pair/)
  })
})
