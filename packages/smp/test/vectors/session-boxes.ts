import assert from 'node:assert/strict'
import { BOX_TAG_LENGTH, openBox, openBoxNoPad, reverseNonce, sealBox, sealBoxNoPad } from '@parley/core/crypto'
import { type Codec, decode, encode } from '@parley/core/encoding'
import {
  authorizedBytes,
  clientMessageCodec,
  clientMessageEnvelopeCodec,
  decodeBatch,
  forwardedResponseCodec,
  forwardedTransmissionCodec,
  PADDED_PROXIED_LENGTH,
  PADDED_RCV_MESSAGE_LENGTH,
  parseTransmission,
  rcvMessageBodyCodec,
  type SessionContext,
} from '@parley/smp/protocol'
import { expectKeys, hex, type JsonObject, sameBytes, text } from '../../../core/test/vectors/vector-file.ts'
import { type CutValues, cutDigest, sameAsEntry } from './cut-values.ts'
import { checkCommands, checkMessages } from './session-blocks.ts'
import type { SessionKeys } from './session-keys.ts'

function whole(entry: JsonObject, key: string, values: CutValues): Uint8Array {
  const value = values.find(entry, key)
  assert.ok(value, `${key} is cut and stands nowhere else`)
  return value
}

function sameAfterRoundTrip<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const value = decode(codec, bytes)
  sameBytes(encode(codec, value), bytes)
  return value
}

/** Boxes of routers for recipients are told from those of senders by their length. */
function checkContent(content: Uint8Array, boxLength: number): void {
  if (boxLength !== PADDED_RCV_MESSAGE_LENGTH + BOX_TAG_LENGTH) {
    sameAfterRoundTrip(clientMessageCodec, content)
    return
  }
  const message = sameAfterRoundTrip(rcvMessageBodyCodec, content)
  if (message.type === 'message') sameAfterRoundTrip(clientMessageEnvelopeCodec, message.body)
}

/** A box of a queue, of the sender or of the router: sealed again, opened, its content decoded. */
export function checkBox(entry: JsonObject, values: CutValues): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'paddedLen', 'secret', 'nonce', 'plain', 'plainTruncated', 'cipher', 'cipherTruncated'],
  )
  const [secret, nonce] = [hex(entry, 'secret'), hex(entry, 'nonce')]
  const boxLength = cutDigest(entry, 'cipher')?.length ?? hex(entry, 'cipher').length
  if (entry.paddedLen !== undefined) assert.equal(Number(entry.paddedLen) + BOX_TAG_LENGTH, boxLength)
  const cipher = values.find(entry, 'cipher')
  const plain = cipher ? openBox(secret, nonce, cipher) : whole(entry, 'plain', values)
  sameAsEntry(plain, entry, 'plain')
  sameAsEntry(sealBox(secret, nonce, plain, boxLength - BOX_TAG_LENGTH), entry, 'cipher')
  checkContent(plain, boxLength)
}

/** A command that a client seals for a relay. */
export function checkProxied(entry: JsonObject, values: CutValues, keys: SessionKeys): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'version', 'paddedLen', 'relaySessionId', 'secret', 'nonce', 'tForAuth', 'tForAuthTruncated'],
    ...['plain', 'plainTruncated', 'encTransmission', 'encTransmissionTruncated'],
  )
  const session = proxiedSession(entry)
  const [secret, nonce] = [hex(entry, 'secret'), hex(entry, 'nonce')]
  const plain = whole(entry, 'plain', values)
  assert.equal(Number(entry.paddedLen), PADDED_PROXIED_LENGTH)
  const [bytes, ...others] = decodeBatch(plain)
  assert.deepEqual(others, [], 'more than one command is forwarded')
  const { corrId, body } = parseTransmission(bytes, session.version)
  sameBytes(corrId, nonce)
  sameAsEntry(authorizedBytes(body, session), entry, 'tForAuth')
  checkCommands(plain, session, keys)
  const sealed = sealBox(secret, nonce, plain, PADDED_PROXIED_LENGTH)
  sameAsEntry(sealed, entry, 'encTransmission')
  sameBytes(openBox(secret, nonce, sealed), plain)
}

/** The session of a relay as a forwarded command's entry tells it. */
export function proxiedSession(entry: JsonObject): SessionContext {
  const version = /^Version (\d+)$/.exec(text(entry, 'version'))?.[1]
  assert.ok(version !== undefined, 'not a version')
  return { version: Number(version), sessionId: hex(entry, 'relaySessionId') }
}

/** What a relay answers to a forwarded command; the answer's version is that of the relay's session. */
export function checkProxiedResponse(entry: JsonObject, values: CutValues, session: SessionContext | undefined): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'secret', 'nonce', 'encResponse', 'encResponseTruncated', 'plain', 'plainTruncated'],
  )
  assert.ok(session, 'answer to a command that was not shown')
  const [secret, nonce] = [hex(entry, 'secret'), hex(entry, 'nonce')]
  const plain = whole(entry, 'plain', values)
  sameAsEntry(sealBox(secret, nonce, plain, PADDED_PROXIED_LENGTH), entry, 'encResponse')
  const response = values.find(entry, 'encResponse')
  if (response) sameBytes(openBox(secret, nonce, response), plain)
  checkMessages(plain, session)
  const [bytes] = decodeBatch(plain)
  sameBytes(parseTransmission(bytes, session.version).corrId, reverseNonce(nonce))
}

/** What a proxy seals for a relay. */
export function checkForwarded(entry: JsonObject, values: CutValues): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'sessSecret', 'nonce', 'plain', 'plainTruncated', 'encFwdTransmission'],
    'encFwdTransmissionTruncated',
  )
  const plain = whole(entry, 'plain', values)
  sameAfterRoundTrip(forwardedTransmissionCodec, plain)
  sameAsEntry(sealBoxNoPad(hex(entry, 'sessSecret'), hex(entry, 'nonce'), plain), entry, 'encFwdTransmission')
}

/** What a relay answers to a proxy. */
export function checkForwardedResponse(entry: JsonObject, values: CutValues): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'sessSecret', 'nonce', 'encFwdResponse', 'encFwdResponseTruncated', 'plain', 'plainTruncated'],
  )
  const [secret, nonce] = [hex(entry, 'sessSecret'), hex(entry, 'nonce')]
  const plain = whole(entry, 'plain', values)
  sameAfterRoundTrip(forwardedResponseCodec, plain)
  const sealed = sealBoxNoPad(secret, nonce, plain)
  sameAsEntry(sealed, entry, 'encFwdResponse')
  sameBytes(openBoxNoPad(secret, nonce, sealed), plain)
}
