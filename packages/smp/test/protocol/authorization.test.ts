import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PrivateKey, sha256 } from '@parley/core/crypto'
import {
  type AuthKey,
  type AuthPrivateKey,
  authenticatorAlgorithm,
  authorize,
  verifyAuthorization,
  verifyServiceSignature,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { bytes } from './arbitraries.ts'

const ALGORITHMS = ['ed25519', 'ed448', 'x25519'] as const
const serverKey = PrivateKey.generate('x25519')
const serviceKey = PrivateKey.generate('ed25519')
const service = { fingerprint: sha256(Buffer.from('certificate')), sessionKey: serviceKey }
const corrId = new Uint8Array(24).fill(3)
const authorized = Buffer.from('session id, ids and command')

const generate = (algorithm: (typeof ALGORITHMS)[number]): AuthPrivateKey => PrivateKey.generate(algorithm)
const parameters = { authorized, corrId, serverKey: serverKey.publicKey }
const verification = { authorized, corrId, sessionKey: serverKey }

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: valid for its key and bytes alone`, () => {
    const key = generate(algorithm)
    const authorization = authorize(key, parameters)
    assert.equal(authenticatorAlgorithm(authorization.authenticator), algorithm)
    assert.equal(verifyAuthorization(authorization, [key.publicKey], verification), true)
    assert.equal(verifyAuthorization(authorization, [generate(algorithm).publicKey], verification), false)
    const others = { ...verification, authorized: Buffer.from('other bytes') }
    assert.equal(verifyAuthorization(authorization, [key.publicKey], others), false)
  })

  test(`${algorithm}: one key of several is enough`, () => {
    const key = generate(algorithm)
    const keys = [...ALGORITHMS.map((name): AuthKey => generate(name).publicKey), key.publicKey]
    assert.equal(verifyAuthorization(authorize(key, parameters), keys, verification), true)
  })

  test(`${algorithm}: false without a key, with keys of other kinds and without authorisation`, () => {
    const authorization = authorize(generate(algorithm), parameters)
    const others = ALGORITHMS.filter((name) => name !== algorithm).map((name): AuthKey => generate(name).publicKey)
    assert.equal(verifyAuthorization(authorization, [], verification), false)
    assert.equal(verifyAuthorization(authorization, others, verification), false)
    assert.equal(verifyAuthorization(undefined, others, verification), false)
  })

  test(`${algorithm}: with a service both keys sign, the entity's over the fingerprint too`, () => {
    const key = generate(algorithm)
    const authorization = authorize(key, { ...parameters, service })
    const ofService = { ...verification, serviceFingerprint: service.fingerprint }
    assert.equal(verifyAuthorization(authorization, [key.publicKey], ofService), true)
    assert.equal(verifyAuthorization(authorization, [key.publicKey], verification), false)
    assert.equal(verifyServiceSignature(authorization, serviceKey.publicKey, authorized), true)
    assert.equal(verifyServiceSignature(authorization, serviceKey.publicKey, Buffer.from('x')), false)
    assert.equal(verifyServiceSignature(authorize(key, parameters), serviceKey.publicKey, authorized), false)
  })
}

test('an authenticator is bound to the correlation id and both keys', () => {
  const key = generate('x25519')
  const authorization = authorize(key, parameters)
  const verify = (change: object) => verifyAuthorization(authorization, [key.publicKey], { ...verification, ...change })
  assert.equal(verify({}), true)
  assert.equal(verify({ corrId: new Uint8Array(24) }), false)
  assert.equal(verify({ sessionKey: PrivateKey.generate('x25519') }), false)
  assert.equal(verify({ sessionKey: undefined }), false)
})

test('an X25519 key needs the key of the router', () => {
  assert.throws(() => authorize(generate('x25519'), { authorized, corrId }), { code: 'INVALID_KEY' })
})

test('no authorisation makes the check throw', () => {
  const keys = ALGORITHMS.map((name): AuthKey => generate(name).publicKey)
  const lengths = fc.constantFrom(0, 1, 64, 80, 114)
  const authenticators = lengths.chain((length) => bytes({ minLength: length, maxLength: length }))
  fc.assert(
    fc.property(authenticators, fc.subarray(keys), (authenticator, some) => {
      assert.equal(verifyAuthorization({ authenticator }, some, verification), false)
    }),
    { numRuns: 100 },
  )
})
