import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import {
  CIRCUIT_STATUS,
  CIRCUIT_TYPE,
  type CircuitMessage,
  decodeCircuitMessage,
  encodeCircuitMessage,
} from '../../../src/peer/relay-v1/message.ts'
import { decodeStopV2Status, encodeStopV2, STOP_V2_OK } from '../../../src/peer/relay-v1/stop-v2.ts'

const bytes = (max: number, min = 0) => fc.uint8Array({ minLength: min, maxLength: max })
const peer = fc.record({ id: bytes(64, 1), addresses: fc.array(bytes(64, 1), { maxLength: 4 }) })
const message: fc.Arbitrary<CircuitMessage> = fc.record(
  {
    type: fc.constantFrom(...Object.values(CIRCUIT_TYPE)),
    source: peer,
    destination: peer,
    code: fc.constantFrom(...Object.values(CIRCUIT_STATUS)),
  },
  { requiredKeys: ['type'] },
)

describe('messages of circuit relay v1', () => {
  test('what was written is read', () => {
    fc.assert(
      fc.property(message, (value) => {
        assert.deepEqual(plain(decodeCircuitMessage(encodeCircuitMessage(value))), plain(value))
      }),
    )
  })

  test('the bytes are those of the specification', () => {
    const source = { id: Uint8Array.of(0xaa), addresses: [Uint8Array.of(1, 2)] }
    const destination = { id: Uint8Array.of(0xbb), addresses: [] }
    const { HOP, STATUS, CAN_HOP } = CIRCUIT_TYPE
    const written: [CircuitMessage, string][] = [
      [{ type: HOP, source, destination }, '0801' + '12070a01aa12020102' + '1a030a01bb'],
      [{ type: STATUS, code: CIRCUIT_STATUS.SUCCESS }, '08032064'],
      [{ type: STATUS, code: CIRCUIT_STATUS.MALFORMED_MESSAGE }, '0803209003'],
      [{ type: CAN_HOP }, '0804'],
    ]
    for (const [value, text] of written) {
      assert.equal(hex(encodeCircuitMessage(value)), text)
      assert.deepEqual(plain(decodeCircuitMessage(Buffer.from(text, 'hex'))), plain(value))
    }
  })

  test('kinds and codes that are not known are read, fields that are not known skipped', () => {
    assert.deepEqual(decodeCircuitMessage(Buffer.from('0809' + '20e707' + '2a01ff' + '3001', 'hex')), {
      type: 9,
      code: 999,
    })
    assert.deepEqual(decodeCircuitMessage(new Uint8Array()), { type: 0 })
  })

  test('a peer without an id is refused', () => {
    assert.throws(() => decodeCircuitMessage(Buffer.from('0801' + '1200', 'hex')), DecodeError)
  })

  test('arbitrary bytes are read or refused', () => {
    for (const decode of [decodeCircuitMessage, decodeStopV2Status]) {
      fc.assert(
        fc.property(bytes(200), (input) => {
          try {
            decode(input)
          } catch (error) {
            assert.ok(error instanceof DecodeError)
          }
        }),
      )
    }
  })

  test('damaged messages are read or refused', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
        const encoded = Uint8Array.from(encodeCircuitMessage(value))
        const place = at % encoded.length
        encoded[place] = (encoded[place] ?? 0) ^ change
        try {
          decodeCircuitMessage(encoded)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })
})

describe('the call of circuit relay v2', () => {
  test('the bytes are those of the specification', () => {
    assert.equal(hex(encodeStopV2({ id: Uint8Array.of(0xaa), addresses: [] })), '0800' + '12030a01aa')
    assert.equal(decodeStopV2Status(Buffer.from('0801' + '2064', 'hex')), STOP_V2_OK)
    assert.equal(decodeStopV2Status(Buffer.from('0801', 'hex')), 0)
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
