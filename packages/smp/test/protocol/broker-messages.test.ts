import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, EncodeError, encode } from '@parley/core/encoding'
import { type BrokerMessage, brokerMessageCodec, queueInfoCodec, type SmpErrorType } from '@parley/smp/protocol'
import { brokerMessage, queueInfo, version } from './arbitraries.ts'
import { checkCodec, contextFree, noContext } from './codec-properties.ts'

const context = version.map((value) => ({ version: value }))

function errorAtVersion(error: SmpErrorType, v: number): SmpErrorType {
  if (error.type !== 'BLOCKED') return error
  if (v < 12) return { type: 'AUTH' }
  return v < 18 ? { type: 'BLOCKED', reason: error.reason } : error
}

/** What a peer of a version gets of a message: `spec/smp.md §2.5`. */
function atVersion(value: BrokerMessage, v: number): BrokerMessage {
  if (value.type === 'SOK' && v < 16) return { type: 'OK' }
  if (value.type === 'DELD' && v < 10) return { type: 'END' }
  if (value.type === 'ERR') return { type: 'ERR', error: errorAtVersion(value.error, v) }
  if (value.type !== 'IDS') return value
  const { queueMode, linkId, serviceId, notifier, ...rest } = value
  if (v < 9) return rest
  if (v < 15) return { ...rest, queueMode: queueMode ?? 'contact' }
  return {
    ...rest,
    ...(queueMode && { queueMode }),
    ...(linkId && { linkId }),
    ...(v >= 16 && serviceId && { serviceId }),
    ...(v >= 17 && notifier && { notifier }),
  }
}

test('messages round trip at every version, other bytes give DecodeError', () => {
  checkCodec(brokerMessageCodec, brokerMessage, context, (value, { version: v }) => atVersion(value, v))
})

const textAt = (message: BrokerMessage, v: number): string =>
  Buffer.from(encode(brokerMessageCodec, message, { version: v })).toString('latin1')

test('older versions get what they know', () => {
  assert.equal(textAt({ type: 'SOK' }, 15), 'OK')
  assert.equal(textAt({ type: 'SOK' }, 16), 'SOK 0')
  assert.equal(textAt({ type: 'DELD' }, 9), 'END')
  assert.equal(textAt({ type: 'DELD' }, 10), 'DELD')
  const blocked: BrokerMessage = { type: 'ERR', error: { type: 'BLOCKED', reason: 'spam', noticeTtl: 60 } }
  assert.equal(textAt(blocked, 11), 'ERR AUTH')
  assert.equal(textAt(blocked, 12), 'ERR BLOCKED reason=spam')
  assert.equal(textAt(blocked, 17), 'ERR BLOCKED reason=spam')
  assert.equal(textAt(blocked, 18), 'ERR BLOCKED reason=spam,notice={"ttl":60}')
})

test('NMSG needs a nonce of 24 bytes', () => {
  const message: BrokerMessage = { type: 'NMSG', nonce: new Uint8Array(23), encrypted: new Uint8Array(144) }
  assert.throws(() => encode(brokerMessageCodec, message, { version: 18 }), EncodeError)
})

test('queue information round trips', () => {
  checkCodec(contextFree(queueInfoCodec), queueInfo, noContext)
})

test('queue information: null is absent, unknown fields are ignored, wrong types refused', () => {
  const read = (json: string) => decode(queueInfoCodec, Buffer.from(json))
  const minimal = { qiSnd: true, qiNtf: false, qiSize: 1 }
  assert.deepEqual(read('{"qiSnd":true,"qiNtf":false,"qiSub":null,"qiSize":1,"qiMsg":null,"more":[]}'), minimal)
  for (const json of [
    '',
    'null',
    '[]',
    '{"qiSnd":1,"qiNtf":false,"qiSize":1}',
    '{"qiSnd":true,"qiNtf":false,"qiSize":1.5}',
    '{"qiSnd":true,"qiNtf":false,"qiSize":1,"qiSub":{}}',
    '{"qiSnd":true,"qiNtf":false,"qiSize":1,"qiSub":{"qSubThread":"noSub","qDelivered":1}}',
    '{"qiSnd":true,"qiNtf":false,"qiSize":1,"qiMsg":{"msgId":"x","msgTs":"never","msgType":"quota"}}',
  ]) {
    assert.throws(() => read(json), { name: 'DecodeError' }, json)
  }
})
