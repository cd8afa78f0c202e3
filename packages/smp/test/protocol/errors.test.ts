import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodeError, decode, encode } from '@parley/core/encoding'
import {
  formatBrokerError,
  formatProxyError,
  formatSmpError,
  parseBrokerError,
  parseProxyError,
  parseSmpError,
  type SmpErrorType,
  smpErrorCodec,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { smpError, smpErrorInText } from './arbitraries.ts'
import { checkCodec, contextFree, noContext, sameValue, throwsOnlyDecodeError } from './codec-properties.ts'

test('errors round trip on the wire', () => {
  checkCodec(contextFree(smpErrorCodec), smpError, noContext)
})

test('errors round trip as text', () => {
  fc.assert(
    fc.property(smpErrorInText, (error) => {
      sameValue(parseSmpError(formatSmpError(error)), error)
      if (error.type !== 'PROXY') return
      sameValue(parseProxyError(formatProxyError(error.error)), error.error)
      if (error.error.type !== 'BROKER') return
      sameValue(parseBrokerError(formatBrokerError(error.error.error)), error.error.error)
    }),
  )
})

test('any text is an error or gives DecodeError', () => {
  const words = [
    'PROXY',
    'PROTOCOL',
    'BROKER',
    'TRANSPORT',
    'HANDSHAKE',
    'CMD',
    'BLOCKED',
    'reason=spam',
    'AUTH',
    'STORE',
  ]
  const sentences = fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 8 }).map((w) => w.join(' '))
  fc.assert(fc.property(sentences, (sentence) => throwsOnlyDecodeError(() => parseSmpError(sentence))))
})

test('text forms', () => {
  const forms: [string, SmpErrorType][] = [
    ['AUTH', { type: 'AUTH' }],
    ['CMD NO_ENTITY', { type: 'CMD', error: 'NO_ENTITY' }],
    ['STORE disk is full', { type: 'STORE', detail: 'disk is full' }],
    ['PROXY PROTOCOL AUTH', { type: 'PROXY', error: { type: 'PROTOCOL', error: { type: 'AUTH' } } }],
    [
      'PROXY BROKER UNEXPECTED a b',
      { type: 'PROXY', error: { type: 'BROKER', error: { type: 'UNEXPECTED', detail: 'a b' } } },
    ],
    [
      'PROXY BROKER TRANSPORT HANDSHAKE IDENTITY',
      {
        type: 'PROXY',
        error: { type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'IDENTITY' } } },
      },
    ],
    ['BLOCKED reason=content', { type: 'BLOCKED', reason: 'content' }],
    ['BLOCKED reason=spam,notice={}', { type: 'BLOCKED', reason: 'spam', noticeTtl: null }],
  ]
  for (const [text, error] of forms) {
    assert.equal(formatSmpError(error), text)
    assert.deepEqual(parseSmpError(text), error)
  }
})

test('what older programs write is read', () => {
  assert.deepEqual(parseSmpError('CMD NO_QUEUE'), { type: 'CMD', error: 'NO_ENTITY' })
  const network = (error?: object) => ({
    type: 'PROXY',
    error: { type: 'BROKER', error: { type: 'NETWORK', ...(error && { error }) } },
  })
  const wire = (text: string) => decode(smpErrorCodec, Buffer.from(text, 'latin1'))
  assert.deepEqual(wire('PROXY BROKER NETWORK'), network())
  assert.deepEqual(wire('PROXY BROKER NETWORK TIMEOUT'), network({ type: 'TIMEOUT' }))
  assert.deepEqual(wire('PROXY BROKER NETWORK CONNECT \x02no'), network({ type: 'CONNECT', detail: 'no' }))
  assert.deepEqual(parseSmpError('PROXY BROKER NETWORK TLS bad cert'), network({ type: 'TLS', detail: 'bad cert' }))
})

test('the cause of NETWORK is not written', () => {
  const error: SmpErrorType = {
    type: 'PROXY',
    error: { type: 'BROKER', error: { type: 'NETWORK', error: { type: 'UNKNOWNCA' } } },
  }
  assert.equal(Buffer.from(encode(smpErrorCodec, error)).toString(), 'PROXY BROKER NETWORK')
})

test('long explanations are cut to what a short string holds', () => {
  const error: SmpErrorType = {
    type: 'PROXY',
    error: { type: 'BROKER', error: { type: 'RESPONSE', detail: 'x'.repeat(300) } },
  }
  assert.deepEqual(decode(smpErrorCodec, encode(smpErrorCodec, error)), {
    type: 'PROXY',
    error: { type: 'BROKER', error: { type: 'RESPONSE', detail: 'x'.repeat(255) } },
  })
})

test('deep nesting is refused before it exhausts the stack', () => {
  assert.throws(() => parseSmpError(`${'PROXY PROTOCOL '.repeat(100_000)}AUTH`), DecodeError)
})
