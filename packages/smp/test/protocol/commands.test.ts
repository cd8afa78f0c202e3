import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodeError, decode, encode } from '@parley/core/encoding'
import { type Command, commandCodec, commandDecodeErrorType, UnknownTagError } from '@parley/smp/protocol'
import fc from 'fast-check'
import { authKey, command, dhKey, version } from './arbitraries.ts'
import { checkCodec } from './codec-properties.ts'

const context = version.map((value) => ({ version: value }))

/** What NEW keeps of a queue request at a version: `spec/smp.md §2.5`. */
function atVersion(value: Command, v: number): Command {
  if (value.type !== 'NEW') return value
  const { queueRequest, notifier, ...rest } = value
  if (v < 9) return rest
  if (v < 15) return { ...rest, queueRequest: { mode: queueRequest?.mode ?? 'contact' } }
  return { ...rest, ...(queueRequest && { queueRequest }), ...(v >= 17 && notifier && { notifier }) }
}

test('commands round trip at every version, other bytes give DecodeError', () => {
  checkCodec(commandCodec, command, context, (value, { version: v }) => atVersion(value, v))
})

test('a password is marked with A below version 9 and with 1 from then on', () => {
  fc.assert(
    fc.property(authKey, dhKey, (rcvAuthKey, rcvDhKey) => {
      const message: Command = { type: 'NEW', rcvAuthKey, rcvDhKey, password: 'pw', subscribe: true }
      const textAt = (v: number) => Buffer.from(encode(commandCodec, message, { version: v })).toString('latin1')
      assert.ok(textAt(8).endsWith('A\x02pwS'))
      assert.ok(textAt(9).endsWith('1\x02pwSF'))
      assert.ok(textAt(15).endsWith('1\x02pwS0'))
      assert.ok(textAt(17).endsWith('1\x02pwS00'))
    }),
    { numRuns: 20 },
  )
})

/** What decoding fails with, as a router answers it. */
function refusal(text: string, v = 18): string {
  try {
    decode(commandCodec, Buffer.from(text, 'latin1'), { version: v })
  } catch (error) {
    assert.ok(error instanceof DecodeError)
    const type = commandDecodeErrorType(error)
    assert.ok(type.type === 'CMD')
    return type.error
  }
  return 'none'
}

test('tags that no client sends are CMD UNKNOWN', () => {
  for (const text of ['', ' ', 'X', 'NEWS', 'new ', 'MSG \x00', 'OK', 'ERR AUTH', 'SUB\n', 'S'.repeat(500)]) {
    assert.equal(refusal(text), 'UNKNOWN', text)
  }
  assert.throws(() => decode(commandCodec, Buffer.from('HELLO'), { version: 18 }), UnknownTagError)
})

test('bad parameters and trailing bytes are CMD SYNTAX', () => {
  for (const text of ['SUB ', 'PING x', 'NEW', 'NEW ', 'KEY \x00', 'ACK \x05abc', 'ACK \x01ab', 'SEND T', 'SEND X y']) {
    assert.equal(refusal(text), 'SYNTAX', text)
  }
  assert.equal(refusal('RKEY \x00'), 'SYNTAX')
})

test('SEND skips flags that it does not know', () => {
  const message = decode(commandCodec, Buffer.from('SEND Tabc body of it'), { version: 18 })
  assert.ok(message.type === 'SEND')
  assert.equal(message.notification, true)
  assert.equal(Buffer.from(message.body).toString(), 'body of it')
})

test('the body of SEND is a view of the block, not a copy', () => {
  const input = Buffer.concat([Buffer.from('SEND F '), Buffer.alloc(16048)])
  const message = decode(commandCodec, input, { version: 18 })
  assert.ok(message.type === 'SEND')
  assert.equal(message.body.buffer, input.buffer)
})

test('passwords that an address could not hold are refused', () => {
  const prefix = `${Buffer.from(
    encode(
      commandCodec,
      { type: 'PRXY', server: { hosts: ['a'], port: '', keyHash: new Uint8Array(32) } },
      { version: 18 },
    ),
  )
    .toString('latin1')
    .slice(0, -1)}1`
  for (const password of ['a@b', 'a:b', 'a/b', 'a b', 'a\n', '\xa0', '\xff\xfe']) {
    assert.equal(refusal(`${prefix}${String.fromCharCode(password.length)}${password}`), 'SYNTAX', password)
  }
  assert.equal(refusal(`${prefix}\x02pw`), 'none')
})
