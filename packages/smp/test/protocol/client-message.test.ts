import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, EncodeError, encode, toHex } from '@parley/core/encoding'
import {
  clientMessageCodec,
  clientMessageEnvelopeCodec,
  forwardedResponseCodec,
  forwardedTransmissionCodec,
  maxMessageLength,
  notificationMetaCodec,
  PADDED_RCV_MESSAGE_LENGTH,
  type RcvMessageBody,
  rcvMessageBodyCodec,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { authKey, bytes, dhKey, entityId, int64 } from './arbitraries.ts'
import { checkCodec, contextFree, noContext, sameValue } from './codec-properties.ts'

const word16 = fc.integer({ min: 0, max: 65535 })
const nonce = bytes({ minLength: 24, maxLength: 24 })
/** Seconds whose first byte is not that of QUOTA. */
const timestamp = fc.bigInt({ min: 0n, max: 2n ** 40n })

test('bodies of received messages round trip', () => {
  const content: fc.Arbitrary<RcvMessageBody> = fc.oneof(
    fc.record({ type: fc.constant('message' as const), timestamp, notification: fc.boolean(), body: bytes() }),
    fc.record({ type: fc.constant('quota' as const), timestamp }),
  )
  checkCodec(contextFree(rcvMessageBodyCodec), content, noContext)
})

test('the largest message of every version fits the box of the recipient', () => {
  for (const version of [6, 7, 8, 10, 11, 18]) {
    const body = new Uint8Array(maxMessageLength(version))
    const content = encode(rcvMessageBodyCodec, { type: 'message', timestamp: 1n, notification: true, body })
    assert.ok(content.length <= PADDED_RCV_MESSAGE_LENGTH - 2)
  }
  assert.deepEqual([7, 8, 10, 11].map(maxMessageLength), [16088, 16064, 16064, 16048])
})

test('the quota marker', () => {
  const marker = encode(rcvMessageBodyCodec, { type: 'quota', timestamp: 1n })
  assert.equal(toHex(marker), toHex(Buffer.concat([Buffer.from('QUOTA '), Buffer.of(0, 0, 0, 0, 0, 0, 0, 1)])))
})

test('notification meta data round trips, what newer routers append is skipped', () => {
  checkCodec(contextFree(notificationMetaCodec), fc.record({ msgId: entityId, timestamp: int64 }), noContext)
  const meta = { msgId: new Uint8Array(24), timestamp: 5n }
  const extended = Buffer.concat([encode(notificationMetaCodec, meta), Buffer.of(1, 2)])
  sameValue(decode(notificationMetaCodec, extended), meta)
})

test('envelopes round trip', () => {
  const envelope = fc.record(
    { version: word16, senderKey: dhKey, nonce, encrypted: bytes() },
    { requiredKeys: ['version', 'nonce', 'encrypted'] },
  )
  checkCodec(contextFree(clientMessageEnvelopeCodec), envelope, noContext)
  const short = { version: 4, nonce: new Uint8Array(12), encrypted: new Uint8Array() }
  assert.throws(() => encode(clientMessageEnvelopeCodec, short), EncodeError)
})

test('client messages round trip', () => {
  const message = fc.record({ sndAuthKey: authKey, body: bytes() }, { requiredKeys: ['body'] })
  checkCodec(contextFree(clientMessageCodec), message, noContext)
})

test('what proxies forward round trips', () => {
  const transmission = fc.record({ corrId: nonce, version: word16, commandKey: dhKey, encrypted: bytes() })
  checkCodec(contextFree(forwardedTransmissionCodec), transmission, noContext)
  checkCodec(contextFree(forwardedResponseCodec), fc.record({ corrId: nonce, encrypted: bytes() }), noContext)
})
