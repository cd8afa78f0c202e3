import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  e2eParamsCodec,
  e2eParamsUriCodec,
  encryptedHeaderCodec,
  encryptedMessageCodec,
  type MessageHeader,
  messageEncryptKeyCodec,
  messageHeaderCodec,
  messageKeyCodec,
  openMessage,
  privateKemParamsCodec,
  RatchetError,
  SkippedKeyMap,
} from '@parley/agent/ratchet'
import { encode } from '@parley/core/encoding'
import fc from 'fast-check'
import * as any from '../links/arbitraries.ts'
import { checkCodec, mutatedBytes } from '../links/codec-checks.ts'
import { agreedParties, SETTINGS } from './party.ts'

const messageKey = fc.record({ key: any.bytes(32), iv: any.bytes(16) })
const word32 = fc.integer({ min: 0, max: 0xffffffff })
const word16 = fc.integer({ min: 0, max: 0xffff })
const keyPair = fc.record({ publicKey: any.bytes(1158), secretKey: any.bytes(1763) })

function header(kem: typeof any.kemParams | undefined, algorithm: 'x448' | 'x25519'): fc.Arbitrary<MessageHeader> {
  const base = {
    maxVersion: word16,
    dhKey: any.publicKey(algorithm),
    previousSndCount: word32,
    number: word32,
  }
  return kem ? fc.record({ ...base, kem }) : fc.record(base)
}

describe('layouts of the ratchet', () => {
  for (const algorithm of ['x448', 'x25519'] as const) {
    it(`message header of version 2, ${algorithm}`, () => {
      checkCodec(messageHeaderCodec, header(undefined, algorithm), { version: 2 })
    })
    it(`message header of version 3, ${algorithm}`, () => {
      checkCodec(messageHeaderCodec, fc.oneof(header(undefined, algorithm), header(any.kemParams, algorithm)), {
        version: 3,
      })
    })
  }

  it('message header has the lengths of pqdr.md §5', () => {
    const lengthOf = (version: number, kem: typeof any.kemParams | undefined, type?: string) => {
      const [value] = fc.sample(
        header(kem, 'x448').filter(({ kem: k }) => k?.type === type),
        1,
      )
      assert.ok(value)
      return encode(messageHeaderCodec, value, { version }).length
    }
    assert.equal(lengthOf(2, undefined), 79)
    assert.equal(lengthOf(3, undefined), 80)
    assert.equal(lengthOf(3, any.kemParams, 'accepted'), 2282)
  })

  it('parameters have the lengths of pqdr.md §3', () => {
    const lengths = new Set<number>()
    fc.assert(
      fc.property(any.e2eParams, (params) => {
        const { length } = encode(e2eParamsCodec, params)
        const kem = params.kem?.type
        assert.equal(length, params.version < 3 ? 140 : kem === undefined ? 141 : kem === 'proposed' ? 1302 : 2343)
        lengths.add(length)
      }),
    )
    assert.equal(lengths.size, 4)
  })

  it('encrypted header, version 2', () => {
    const value = { version: fc.constantFrom(1, 2), iv: any.bytes(16), tag: any.bytes(16), body: any.bytes(32, 255) }
    checkCodec(encryptedHeaderCodec, fc.record(value), undefined)
  })
  it('encrypted header, version 3', () => {
    const value = { version: fc.constantFrom(3, 4), iv: any.bytes(16), tag: any.bytes(16), body: any.bytes(32, 2400) }
    checkCodec(encryptedHeaderCodec, fc.record(value), undefined)
  })
  for (const version of [2, 3]) {
    it(`encrypted message, version ${version}`, () => {
      const value = { header: any.bytes(32, 250), tag: any.bytes(16), body: any.bytes(0, 300) }
      checkCodec(encryptedMessageCodec, fc.record(value), { version })
    })
  }
  it('parameters', () => checkCodec(e2eParamsCodec, any.e2eParams, undefined))
  it('parameters of a range', () => checkCodec(e2eParamsUriCodec, any.e2eParamsUri, undefined))
  it('stored KEM keys', () => {
    const proposed = fc.record({ type: fc.constant('proposed' as const), keyPair })
    const accepted = fc.record({
      type: fc.constant('accepted' as const),
      ciphertext: any.bytes(1039),
      sharedSecret: any.bytes(32),
      keyPair,
    })
    checkCodec(privateKemParamsCodec, fc.oneof(proposed, accepted), undefined)
  })
  it('message key', () => checkCodec(messageKeyCodec, messageKey, undefined))
  it('message encrypt key', () => {
    const value = { version: word16, associatedData: any.bytes(112), messageKey, header: any.bytes(124, 2346) }
    checkCodec(messageEncryptKeyCodec, fc.record(value), undefined)
  })
})

describe('a ratchet given anything', () => {
  for (const [name, setting] of SETTINGS) {
    it(`refuses it with a RatchetError: ${name}`, () => {
      const { alice, bob } = agreedParties(setting)
      alice.receive(bob.send('first'))
      const skipped = new SkippedKeyMap()
      const input = fc.oneof(mutatedBytes(fc.constant(bob.send('second'))), fc.uint8Array({ maxLength: 400 }))
      fc.assert(
        fc.property(input, (bytes) => {
          try {
            openMessage(alice.ratchet, skipped, bytes)
          } catch (error) {
            assert.ok(error instanceof RatchetError, String(error))
            assert.match(error.code, /^(SYNTAX|HEADER)$/)
          }
        }),
      )
    })
  }
})
