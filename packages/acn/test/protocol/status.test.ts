import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AcnStatusError,
  decodeAcnMessage,
  encodeAcnMessage,
  expectSuccess,
  STATUS,
  SUCCESS_BYTES,
  SUCCESS_MESSAGE,
  statusMessage,
  statusName,
  statusOf,
} from '@parley/acn/protocol'

describe('statuses', () => {
  test('SUCCESS is on the wire with its empty body', () => {
    assert.equal(Buffer.from(SUCCESS_BYTES).toString('hex'), '4a020a00')
    assert.deepEqual(decodeAcnMessage(SUCCESS_BYTES), SUCCESS_MESSAGE)
    assert.deepEqual(encodeAcnMessage(statusMessage(STATUS.SUCCESS)), SUCCESS_BYTES)
    expectSuccess(SUCCESS_MESSAGE)
  })

  test('every code has its name, other numbers have none', () => {
    for (const [name, code] of Object.entries(STATUS)) assert.equal(statusName(code), name)
    assert.equal(statusName(5), undefined)
    assert.equal(statusName(-1), undefined)
  })

  test('a status without a body is a decoding error, not a success', () => {
    assert.equal(statusOf({ type: 'status' }).code, STATUS.ERROR_DECODE)
    assert.throws(() => expectSuccess({ type: 'status' }), { name: 'AcnStatusError', code: STATUS.ERROR_DECODE })
  })

  test('an error status becomes a typed error with its texts, unknown codes too', () => {
    for (const code of [STATUS.ERROR_AGENT_NOT_READY, 77]) {
      const answer = statusMessage(code, 'one', 'two')
      assert.throws(() => expectSuccess(answer), { name: 'AcnStatusError', code, msgs: ['one', 'two'] })
    }
  })

  test('anything but a status in answer is unexpected', () => {
    assert.throws(() => expectSuccess({ type: 'empty' }), { code: STATUS.ERROR_UNEXPECTED_PAYLOAD })
  })

  test('an error makes the message that tells it', () => {
    const error = new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'signature is not valid')
    assert.deepEqual(error.toMessage(), statusMessage(STATUS.ERROR_INVALID_PROOF, 'signature is not valid'))
  })
})
