import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RatchetError, type RatchetErrorReason } from '@parley/agent/ratchet'
import { CryptoError, type CryptoErrorCode } from '@parley/core/crypto'
import { AgentError, type AgentErrorType, agentErrorOfCrypto, ratchetSyncStateAfter } from '../../src/agent-error.ts'

const server = 'smp://1234-w==@smp.example.org'

/** Names of the original's constructors and fields. */
const FORMS: ReadonlyArray<readonly [AgentErrorType, object]> = [
  [
    { type: 'CMD', error: 'PROHIBITED', context: 'join' },
    { type: 'CMD', cmdErr: { type: 'PROHIBITED' }, errContext: 'join' },
  ],
  [
    { type: 'CONN', error: 'NOT_FOUND', context: '' },
    { type: 'CONN', connErr: { type: 'NOT_FOUND' }, errContext: '' },
  ],
  [{ type: 'NO_USER' }, { type: 'NO_USER' }],
  [{ type: 'INACTIVE' }, { type: 'INACTIVE' }],
  [
    { type: 'SMP', server, error: { type: 'AUTH' } },
    { type: 'SMP', serverAddress: server, smpErr: { type: 'AUTH' } },
  ],
  [
    { type: 'SMP', server, error: { type: 'CMD', error: 'SYNTAX' } },
    { type: 'SMP', serverAddress: server, smpErr: { type: 'CMD', cmdErr: { type: 'SYNTAX' } } },
  ],
  [
    { type: 'SMP', server, error: { type: 'STORE', detail: 'full' } },
    { type: 'SMP', serverAddress: server, smpErr: { type: 'STORE', storeErr: 'full' } },
  ],
  [
    { type: 'SMP', server, error: { type: 'BLOCKED', reason: 'spam' } },
    { type: 'SMP', serverAddress: server, smpErr: { type: 'BLOCKED', blockInfo: { reason: 'spam' } } },
  ],
  [
    { type: 'SMP', server, error: { type: 'BLOCKED', reason: 'content', noticeTtl: 60 } },
    {
      type: 'SMP',
      serverAddress: server,
      smpErr: { type: 'BLOCKED', blockInfo: { reason: 'content', notice: { ttl: 60 } } },
    },
  ],
  [
    { type: 'SMP', server, error: { type: 'BLOCKED', reason: 'content', noticeTtl: null } },
    {
      type: 'SMP',
      serverAddress: server,
      smpErr: { type: 'BLOCKED', blockInfo: { reason: 'content', notice: {} } },
    },
  ],
  [
    { type: 'SMP', server, error: { type: 'PROXY', error: { type: 'PROTOCOL', error: { type: 'QUOTA' } } } },
    {
      type: 'SMP',
      serverAddress: server,
      smpErr: { type: 'PROXY', proxyErr: { type: 'PROTOCOL', protocolErr: { type: 'QUOTA' } } },
    },
  ],
  [
    { type: 'NTF', server, error: { type: 'PROXY', error: { type: 'NO_SESSION' } } },
    { type: 'NTF', serverAddress: server, ntfErr: { type: 'PROXY', proxyErr: { type: 'NO_SESSION' } } },
  ],
  [
    { type: 'SMP', server, error: { type: 'PROXY', error: { type: 'BROKER', error: { type: 'TIMEOUT' } } } },
    {
      type: 'SMP',
      serverAddress: server,
      smpErr: { type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr: { type: 'TIMEOUT' } } },
    },
  ],
  [
    { type: 'PROXY', proxy: 'p', relay: 'r', error: { type: 'PROTOCOL', error: { type: 'AUTH' } } },
    {
      type: 'PROXY',
      proxyServer: 'p',
      relayServer: 'r',
      proxyErr: { type: 'protocolError', protocolErr: { type: 'AUTH' } },
    },
  ],
  [
    { type: 'PROXY', proxy: 'p', relay: 'r', error: { type: 'UNEXPECTED', detail: 'what' } },
    {
      type: 'PROXY',
      proxyServer: 'p',
      relayServer: 'r',
      proxyErr: { type: 'unexpectedResponse', responseStr: 'what' },
    },
  ],
  [
    { type: 'PROXY', proxy: 'p', relay: 'r', error: { type: 'RESPONSE', error: { type: 'BLOCK' } } },
    {
      type: 'PROXY',
      proxyServer: 'p',
      relayServer: 'r',
      proxyErr: { type: 'responseError', responseErr: { type: 'BLOCK' } },
    },
  ],
  ...(
    [
      [
        { type: 'RESPONSE', detail: 'x' },
        { type: 'RESPONSE', respErr: 'x' },
      ],
      [
        { type: 'UNEXPECTED', detail: 'x' },
        { type: 'UNEXPECTED', respErr: 'x' },
      ],
      [{ type: 'NETWORK' }, { type: 'NETWORK', networkError: { type: 'failedError' } }],
      [
        { type: 'NETWORK', error: { type: 'CONNECT', detail: 'x' } },
        { type: 'NETWORK', networkError: { type: 'connectError', connectError: 'x' } },
      ],
      [
        { type: 'NETWORK', error: { type: 'TLS', detail: 'x' } },
        { type: 'NETWORK', networkError: { type: 'tLSError', tlsError: 'x' } },
      ],
      [
        { type: 'NETWORK', error: { type: 'SUBSCRIBE', detail: 'x' } },
        { type: 'NETWORK', networkError: { type: 'subscribeError', subscribeError: 'x' } },
      ],
      [
        { type: 'NETWORK', error: { type: 'UNKNOWNCA' } },
        { type: 'NETWORK', networkError: { type: 'unknownCAError' } },
      ],
      [
        { type: 'NETWORK', error: { type: 'TIMEOUT' } },
        { type: 'NETWORK', networkError: { type: 'timeoutError' } },
      ],
      [{ type: 'HOST' }, { type: 'HOST' }],
      [{ type: 'NO_SERVICE' }, { type: 'NO_SERVICE' }],
      [
        { type: 'TRANSPORT', error: { type: 'SESSION' } },
        { type: 'TRANSPORT', transportErr: { type: 'badSession' } },
      ],
      [
        { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
        { type: 'TRANSPORT', transportErr: { type: 'handshake', handshakeErr: { type: 'BAD_AUTH' } } },
      ],
    ] as const
  ).map(
    ([error, brokerErr]) =>
      [
        { type: 'BROKER', server, error },
        { type: 'BROKER', brokerAddress: server, brokerErr },
      ] as const,
  ),
  ...(
    [
      [{ type: 'A_MESSAGE' }, { type: 'A_MESSAGE' }],
      [{ type: 'A_VERSION' }, { type: 'A_VERSION' }],
      [
        { type: 'A_PROHIBITED', detail: 'x' },
        { type: 'A_PROHIBITED', prohibitedErr: 'x' },
      ],
      [
        { type: 'A_LINK', detail: 'x' },
        { type: 'A_LINK', linkErr: 'x' },
      ],
      [
        { type: 'A_QUEUE', detail: 'x' },
        { type: 'A_QUEUE', queueErr: 'x' },
      ],
      [
        { type: 'A_CRYPTO', error: { type: 'RATCHET_HEADER' } },
        { type: 'A_CRYPTO', cryptoErr: { type: 'RATCHET_HEADER' } },
      ],
      [
        { type: 'A_CRYPTO', error: { type: 'RATCHET_SKIPPED', count: 514 } },
        { type: 'A_CRYPTO', cryptoErr: { type: 'RATCHET_SKIPPED', data: 514 } },
      ],
      [{ type: 'A_DUPLICATE' }, { type: 'A_DUPLICATE' }],
      [
        { type: 'A_DUPLICATE', dropped: { brokerTs: new Date(0), attempts: 8 } },
        { type: 'A_DUPLICATE', droppedMsg_: { brokerTs: '1970-01-01T00:00:00Z', attempts: 8 } },
      ],
    ] as const
  ).map(
    ([error, agentErr]) =>
      [
        { type: 'AGENT', error },
        { type: 'AGENT', agentErr },
      ] as const,
  ),
  [
    { type: 'FILE', error: { type: 'NO_FILE' } },
    { type: 'FILE', fileErr: { type: 'NO_FILE' } },
  ],
  [
    { type: 'FILE', error: { type: 'FILE_IO', detail: 'x' } },
    { type: 'FILE', fileErr: { type: 'FILE_IO', fileIOError: 'x' } },
  ],
  [
    { type: 'FILE', error: { type: 'REDIRECT', detail: 'x' } },
    { type: 'FILE', fileErr: { type: 'REDIRECT', redirectError: 'x' } },
  ],
  [
    { type: 'NOTICE', server, preset: true },
    { type: 'NOTICE', server, preset: true },
  ],
  [
    { type: 'NOTICE', server, preset: false, expiresAt: new Date(1120) },
    { type: 'NOTICE', server, preset: false, expiresAt: '1970-01-01T00:00:01.12Z' },
  ],
  [
    { type: 'INTERNAL', detail: 'x' },
    { type: 'INTERNAL', internalErr: 'x' },
  ],
  [
    { type: 'CRITICAL', offerRestart: true, detail: 'x' },
    { type: 'CRITICAL', offerRestart: true, criticalErr: 'x' },
  ],
]

describe('an agent error', () => {
  for (const [errorType, json] of FORMS) {
    it(`is written as the original writes it: ${new AgentError(errorType).message}`, () => {
      assert.deepEqual(JSON.parse(JSON.stringify(new AgentError(errorType))), json)
    })
  }

  it('keeps its cause and says what it is', () => {
    const cause = new Error('cause')
    const error = new AgentError({ type: 'CONN', error: 'SIMPLEX', context: 'send' }, { cause })
    assert.equal(error.cause, cause)
    assert.equal(error.message, 'CONN SIMPLEX send')
    assert.equal(error.name, 'AgentError')
  })
})

describe('failures of cryptography', () => {
  const ratchet: ReadonlyArray<readonly [RatchetErrorReason, AgentErrorType]> = [
    [{ code: 'DUPLICATE' }, { type: 'AGENT', error: { type: 'A_DUPLICATE' } }],
    [{ code: 'SYNTAX' }, { type: 'AGENT', error: { type: 'A_MESSAGE' } }],
    [{ code: 'HEADER' }, { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: 'RATCHET_HEADER' } } }],
    [
      { code: 'EARLIER', count: 3 },
      { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: 'RATCHET_EARLIER', count: 3 } } },
    ],
    [
      { code: 'TOO_MANY_SKIPPED', count: 514 },
      { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: 'RATCHET_SKIPPED', count: 514 } } },
    ],
    [{ code: 'DECRYPT_AES' }, { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: 'DECRYPT_AES' } } }],
    [{ code: 'LARGE_MSG' }, { type: 'CMD', error: 'LARGE', context: 'encrypt' }],
    [{ code: 'STATE' }, { type: 'INTERNAL', detail: 'ratchet STATE' }],
    [{ code: 'KEM_STATE' }, { type: 'INTERNAL', detail: 'ratchet KEM_STATE' }],
  ]
  for (const [reason, expected] of ratchet) {
    it(`of the ratchet: ${reason.code}`, () => {
      assert.deepEqual(agentErrorOfCrypto(new RatchetError(reason)), expected)
    })
  }

  const boxes: ReadonlyArray<readonly [CryptoErrorCode, string]> = [
    ['DECRYPT_CB', 'AGENT A_CRYPTO'],
    ['DECRYPT_AES', 'AGENT A_CRYPTO'],
    ['INVALID_MSG', 'AGENT A_MESSAGE'],
    ['HEADER', 'AGENT A_MESSAGE'],
    ['LARGE_MSG', 'CMD LARGE encrypt'],
    ['INVALID_KEY', 'INTERNAL reason'],
  ]
  for (const [code, message] of boxes) {
    it(`of a box: ${code}`, () => {
      assert.equal(new AgentError(agentErrorOfCrypto(new CryptoError(code, 'reason'))).message, message)
    })
  }

  it('of any other kind are internal and do not repeat their text', () => {
    assert.deepEqual(agentErrorOfCrypto(new TypeError('secret')), { type: 'INTERNAL', detail: 'TypeError' })
    assert.deepEqual(agentErrorOfCrypto('secret'), { type: 'INTERNAL', detail: 'unknown' })
  })

  it('put the ratchet into the states of agent.md §8', () => {
    assert.equal(ratchetSyncStateAfter({ type: 'DECRYPT_AES' }), 'allowed')
    assert.equal(ratchetSyncStateAfter({ type: 'DECRYPT_CB' }), 'allowed')
    assert.equal(ratchetSyncStateAfter({ type: 'RATCHET_EARLIER', count: 1 }), 'allowed')
    assert.equal(ratchetSyncStateAfter({ type: 'RATCHET_HEADER' }), 'required')
    assert.equal(ratchetSyncStateAfter({ type: 'RATCHET_SKIPPED', count: 600 }), 'required')
    assert.equal(ratchetSyncStateAfter({ type: 'RATCHET_SYNC' }), 'required')
  })
})
