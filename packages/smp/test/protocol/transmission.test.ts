import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter, encode, equalBytes } from '@parley/core/encoding'
import {
  authorizedBytes,
  type Command,
  checkAnswerCredentials,
  checkCommandCredentials,
  commandCodec,
  decodeBrokerMessage,
  decodeCommand,
  encodeBrokerMessage,
  encodeCommand,
  parseTransmission,
  type SessionContext,
  type SignedTransmission,
  transmissionLength,
  writeTransmission,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { brokerMessage, bytes, command, entityId, version } from './arbitraries.ts'
import { mutated, sameValue, throwsOnlyDecodeError } from './codec-properties.ts'

const sessionId = bytes({ minLength: 12, maxLength: 32 })
const session: fc.Arbitrary<SessionContext> = fc.record({ version, sessionId })
const corrId = bytes({ minLength: 24, maxLength: 24 })
const authorization = fc.record(
  {
    authenticator: fc.constantFrom(64, 80, 114).map((length) => new Uint8Array(length).fill(7)),
    serviceSignature: bytes({ minLength: 64, maxLength: 64 }),
  },
  { requiredKeys: ['authenticator'] },
)

function bytesOf(signed: SignedTransmission, v: number): Uint8Array {
  const writer = new ByteWriter()
  writeTransmission(writer, signed, v)
  const written = writer.finish()
  assert.equal(written.length, transmissionLength(signed, v))
  return written
}

const hasRightCredentials = (message: Command, isAuthorized: boolean, entity: Uint8Array) =>
  checkCommandCredentials(message.type, isAuthorized, entity) === undefined

test('commands round trip with their ids and authorisation', () => {
  fc.assert(
    fc.property(
      fc.record({ corrId, entityId: fc.oneof(entityId, fc.constant(new Uint8Array())), message: command }),
      fc.option(authorization, { nil: undefined }),
      session,
      (transmission, auth, context) => {
        fc.pre(hasRightCredentials(transmission.message, auth !== undefined, transmission.entityId))
        const { authorized, body } = encodeCommand(transmission, context)
        const received = decodeCommand(bytesOf({ authorization: auth, body }, context.version), context)
        assert.ok(received.ok)
        sameValue([received.corrId, received.entityId], [transmission.corrId, transmission.entityId])
        assert.ok(equalBytes(authorizedBytes(received.body, context), authorized))
        const expected = auth && context.version < 16 ? { authenticator: auth.authenticator } : auth
        sameValue(received.authorization, expected)
        const sent = encode(commandCodec, transmission.message, context)
        assert.ok(equalBytes(encode(commandCodec, received.message, context), sent))
      },
    ),
  )
})

test('messages of routers round trip', () => {
  fc.assert(
    fc.property(
      fc.record({ corrId: fc.oneof(corrId, fc.constant(new Uint8Array())), entityId, message: brokerMessage }),
      session,
      (transmission, context) => {
        fc.pre(checkAnswerCredentials(transmission.message.type, transmission.entityId) === undefined)
        const { body } = encodeBrokerMessage(transmission, context)
        const received = decodeBrokerMessage(bytesOf({ body }, context.version), context)
        assert.ok(received.ok)
        assert.ok(equalBytes(encodeBrokerMessage(received, context).body, body))
      },
    ),
  )
})

test('no bytes make the decoders throw', () => {
  const valid = fc
    .tuple(fc.record({ corrId, entityId, message: command }), authorization, session)
    .map(([transmission, auth, context]) =>
      bytesOf({ authorization: auth, body: encodeCommand(transmission, context).body }, context.version),
    )
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated(valid)), session, (input, context) => {
      decodeCommand(input, context)
      decodeBrokerMessage(input, context)
      throwsOnlyDecodeError(() => parseTransmission(input, context.version))
    }),
    { numRuns: 1000 },
  )
})

const NONE = new Uint8Array()
const ID = new Uint8Array(24).fill(1)
const CORR = new Uint8Array(24).fill(2)
const SIGNATURE = { authenticator: new Uint8Array(64) }

/** A transmission of version 18 with any text in place of the command. */
function received(
  text: string,
  { entity = ID, auth }: { entity?: Uint8Array; auth?: SignedTransmission['authorization'] },
) {
  const body = new ByteWriter().shortString(CORR).shortString(entity).literal(text).finish()
  return decodeCommand(bytesOf({ authorization: auth, body }, 18), { version: 18, sessionId: ID })
}

function refusal(text: string, options: { entity?: Uint8Array; auth?: SignedTransmission['authorization'] }) {
  const result = received(text, options)
  return result.ok ? undefined : result
}

test('refusals repeat the ids of the command', () => {
  const refused = refusal('NONE', { auth: SIGNATURE })
  sameValue(refused, { ok: false, corrId: CORR, entityId: ID, error: { type: 'CMD', error: 'UNKNOWN' } })
  sameValue(refusal('SUB x', { auth: SIGNATURE })?.error, { type: 'CMD', error: 'SYNTAX' })
})

test('credentials that a command must and must not have: spec/smp.md §2.4', () => {
  const send = 'SEND T x'
  assert.equal(refusal(send, {}), undefined)
  assert.equal(refusal(send, { auth: SIGNATURE }), undefined)
  assert.deepEqual(refusal(send, { entity: NONE })?.error, { type: 'CMD', error: 'NO_ENTITY' })
  assert.deepEqual(refusal('SUB', {})?.error, { type: 'CMD', error: 'NO_AUTH' })
  assert.deepEqual(refusal('SUB', { entity: NONE, auth: SIGNATURE })?.error, { type: 'CMD', error: 'NO_AUTH' })
  assert.deepEqual(refusal('LGET', { auth: SIGNATURE })?.error, { type: 'CMD', error: 'HAS_AUTH' })
  assert.deepEqual(refusal('LGET', { entity: NONE })?.error, { type: 'CMD', error: 'NO_ENTITY' })
  assert.deepEqual(refusal('PING', {})?.error, { type: 'CMD', error: 'HAS_AUTH' })
  assert.deepEqual(refusal('PING', { entity: NONE, auth: SIGNATURE })?.error, { type: 'CMD', error: 'HAS_AUTH' })
  assert.equal(refusal('PING', { entity: NONE }), undefined)
  assert.equal(checkCommandCredentials('NEW', true, NONE), undefined)
  assert.equal(checkCommandCredentials('NEW', true, ID), 'HAS_AUTH')
  assert.equal(checkCommandCredentials('NEW', false, ID), 'NO_AUTH')
  assert.equal(checkAnswerCredentials('PONG', ID), 'HAS_AUTH')
  assert.equal(checkAnswerCredentials('MSG', NONE), 'NO_ENTITY')
  assert.equal(checkAnswerCredentials('IDS', NONE), undefined)
})

test('authenticators of lengths that no key has are BLOCK', () => {
  for (const length of [1, 63, 65, 79, 81, 113, 115, 255]) {
    const refused = refusal('SUB', { auth: { authenticator: new Uint8Array(length) } })
    assert.deepEqual(refused?.error, { type: 'BLOCK' })
    assert.equal(refused?.entityId.length, 0)
  }
})

test('a service signature has 64 bytes', () => {
  const refused = refusal('SUB', { auth: { ...SIGNATURE, serviceSignature: new Uint8Array(63) } })
  sameValue(refused, { ok: false, corrId: NONE, entityId: NONE, error: { type: 'BLOCK' } })
})

test('below version 7 the session id is sent and checked', () => {
  const transmission = { corrId: CORR, entityId: NONE, message: { type: 'PING' } as const }
  const { authorized, body } = encodeCommand(transmission, { version: 6, sessionId: ID })
  assert.ok(equalBytes(authorized, body))
  const sent = bytesOf({ body }, 6)
  assert.ok(decodeCommand(sent, { version: 6, sessionId: ID }).ok)
  const refused = decodeCommand(sent, { version: 6, sessionId: CORR })
  sameValue(refused, { ok: false, corrId: CORR, entityId: NONE, error: { type: 'SESSION' } })
  const later = encodeCommand(transmission, { version: 7, sessionId: ID })
  assert.ok(equalBytes(later.authorized, authorized))
  assert.equal(later.body.length, body.length - 1 - ID.length)
})
