import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { DHT_MESSAGE, decodeDhtMessage, encodeDhtMessage } from '../../../src/peer/dht/message.ts'
import { encodeVarintFrame, VarintFrameDecoder } from '../../../src/peer/dht/varint-frames.ts'

const bytes = (max: number, min = 0) => fc.uint8Array({ minLength: min, maxLength: max })
const peer = fc.record({ id: bytes(64, 1), addresses: fc.array(bytes(64, 1), { maxLength: 4 }) })
const message = fc.record({
  type: fc.constantFrom(...Object.values(DHT_MESSAGE)),
  key: bytes(64),
  closerPeers: fc.array(peer, { maxLength: 5 }),
  providerPeers: fc.array(peer, { maxLength: 5 }),
})

describe('messages of the DHT', () => {
  test('what was written is read', () => {
    fc.assert(
      fc.property(message, (value) => {
        assert.deepEqual(plain(decodeDhtMessage(encodeDhtMessage(value))), plain(value))
      }),
    )
  })

  test('the bytes are those of the Kademlia specification', () => {
    const text = '0804' + '1202aabb' + '42070a01011202ccdd' + '4a030a0102'
    const value = {
      type: DHT_MESSAGE.FIND_NODE,
      key: Uint8Array.of(0xaa, 0xbb),
      closerPeers: [{ id: Uint8Array.of(1), addresses: [Uint8Array.of(0xcc, 0xdd)] }],
      providerPeers: [{ id: Uint8Array.of(2), addresses: [] }],
    }
    assert.equal(Buffer.from(encodeDhtMessage(value)).toString('hex'), text)
    assert.deepEqual(plain(decodeDhtMessage(Buffer.from(text, 'hex'))), plain(value))
  })

  test('fields that are not needed are skipped', () => {
    // Cluster level 1, a record, and how the peer is connected.
    const text = '0803' + '1201aa' + '1a020a00' + '5001' + '42050a01011801'
    const { type, closerPeers } = decodeDhtMessage(Buffer.from(text, 'hex'))
    assert.equal(type, DHT_MESSAGE.GET_PROVIDERS)
    assert.deepEqual(closerPeers.map(plain), [{ id: '01', addresses: [] }])
  })

  test('arbitrary bytes are read or refused', () => {
    fc.assert(
      fc.property(bytes(200), (input) => {
        try {
          decodeDhtMessage(input)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })

  test('too many peers are refused', () => {
    const closerPeers = Array.from({ length: 300 }, (_, i) => ({ id: Uint8Array.of(i >> 8, i), addresses: [] }))
    const encoded = encodeDhtMessage({ type: 4, key: new Uint8Array(), closerPeers, providerPeers: [] })
    assert.throws(() => decodeDhtMessage(encoded), DecodeError)
  })
})

describe('frames of the DHT', () => {
  test('bodies come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(bytes(400), { maxLength: 5 }), fc.integer({ min: 1, max: 300 }), (bodies, cut) => {
        const all = Buffer.concat(bodies.map(encodeVarintFrame))
        const decoder = new VarintFrameDecoder()
        const found: string[] = []
        for (let at = 0; at < all.length; at += cut) {
          decoder.push(all.subarray(at, at + cut))
          for (let body = decoder.next(); body; body = decoder.next()) found.push(hex(body))
        }
        assert.deepEqual(found, bodies.map(hex))
      }),
    )
  })

  test('a length beyond the limit is refused before its bytes come', () => {
    const decoder = new VarintFrameDecoder()
    decoder.push(Uint8Array.of(0x81, 0x80, 0x08))
    assert.throws(() => decoder.next(), DecodeError)
    const endless = new VarintFrameDecoder()
    endless.push(Uint8Array.of(0x80, 0x80, 0x80, 0x80))
    assert.throws(() => endless.next(), DecodeError)
  })
})

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}

/** The same with bytes in hexadecimal, whatever kind of view they are. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]))
}
