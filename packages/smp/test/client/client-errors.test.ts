import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CryptoError } from '@parley/core/crypto'
import { NetworkError, TransportError } from '@parley/core/transport'
import { SmpClientError, type SmpClientErrorType } from '@parley/smp/client'
import type { BrokerErrorType, SmpServer } from '@parley/smp/protocol'
import { toClientError } from '../../src/client/errors.ts'

const server: SmpServer = { hosts: ['smp.example.org'], port: '', keyHash: new Uint8Array(32) }

suite('errors of the layers below', () => {
  const cases: readonly (readonly [Error, SmpClientErrorType])[] = [
    [
      new NetworkError('CONNECT', 'connection: refused'),
      { type: 'NETWORK', error: { type: 'CONNECT', detail: 'connection: refused' } },
    ],
    [new NetworkError('TLS', 'bad'), { type: 'NETWORK', error: { type: 'TLS', detail: 'bad' } }],
    [new NetworkError('UNKNOWNCA', ''), { type: 'NETWORK', error: { type: 'UNKNOWNCA' } }],
    [new NetworkError('TIMEOUT', ''), { type: 'NETWORK', error: { type: 'TIMEOUT' } }],
    [new NetworkError('FAILED', ''), { type: 'NETWORK', error: { type: 'FAILED' } }],
    [new NetworkError('HOST', ''), { type: 'INCOMPATIBLE_HOST' }],
    [new TransportError('SESSION', ''), { type: 'TRANSPORT', error: { type: 'SESSION' } }],
    [
      new TransportError('HANDSHAKE', '', { handshake: 'IDENTITY' }),
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'IDENTITY' } },
    ],
    [new CryptoError('INVALID_KEY', ''), { type: 'CRYPTO', error: 'INVALID_KEY' }],
  ]
  for (const [cause, reason] of cases) {
    test(`${cause.name} ${'code' in cause ? cause.code : ''}`, () => {
      const error = toClientError(server, cause)
      assert.deepEqual(error.reason, reason)
      assert.equal(error.server, server)
      assert.equal(error.cause, cause)
      assert.equal(error.code, reason.type)
    })
  }

  test('faults of ours are not disguised', () => {
    const fault = new TypeError('undefined is not a function')
    assert.throws(() => toClientError(server, fault), fault)
    const error = new SmpClientError(server, { type: 'TIMEOUT' })
    assert.equal(toClientError(server, error), error)
  })
})

suite('what proxies and agents report', () => {
  const cases: readonly (readonly [SmpClientErrorType, BrokerErrorType | undefined, boolean])[] = [
    [{ type: 'PROTOCOL', error: { type: 'AUTH' } }, undefined, false],
    [{ type: 'RESPONSE', error: { type: 'CMD', error: 'SYNTAX' } }, { type: 'RESPONSE', detail: 'CMD SYNTAX' }, false],
    [{ type: 'UNEXPECTED', detail: 'MSG' }, { type: 'UNEXPECTED', detail: 'MSG' }, false],
    [{ type: 'TIMEOUT' }, { type: 'TIMEOUT' }, true],
    [{ type: 'NETWORK', error: { type: 'TIMEOUT' } }, { type: 'NETWORK', error: { type: 'TIMEOUT' } }, true],
    [{ type: 'INCOMPATIBLE_HOST' }, { type: 'HOST' }, false],
    [{ type: 'SERVICE_UNAVAILABLE' }, { type: 'NO_SERVICE' }, false],
    [{ type: 'TRANSPORT', error: { type: 'VERSION' } }, { type: 'TRANSPORT', error: { type: 'VERSION' } }, false],
    [{ type: 'CRYPTO', error: 'DECRYPT_CB' }, undefined, false],
  ]
  for (const [reason, brokerError, isTemporary] of cases) {
    test(reason.type, () => {
      const error = new SmpClientError(server, reason)
      assert.deepEqual(error.brokerError, brokerError)
      assert.equal(error.isTemporary, isTemporary)
      assert.match(error.message, /^[A-Z_]+.* \(smp\.example\.org\)$/)
    })
  }
})
