import assert from 'node:assert/strict'
import { PrivateKey, PublicKey } from '@parley/core/crypto'
import { type Codec, decode, encode } from '@parley/core/encoding'
import {
  brokerMessageCodec,
  clientMessageCodec,
  clientMessageEnvelopeCodec,
  commandCodec,
  formatSmpError,
  forwardedResponseCodec,
  forwardedTransmissionCodec,
  notificationMetaCodec,
  parseSmpError,
  rcvMessageBodyCodec,
} from '@parley/smp/protocol'
import {
  each,
  expectKeys,
  fromHex,
  hex,
  type JsonObject,
  number,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

function sameAfterRoundTrip<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const value = decode(codec, bytes)
  sameBytes(encode(codec, value), bytes)
  return value
}

/** The first words of what the originals show stand for the constructor; older versions see another one for some. */
function checkShown(type: string, shown: string): void {
  const expected = shown.split(' ', 1)[0] ?? ''
  const downgraded = new Map([
    ['DELD', 'END'],
    ['SOK', 'OK'],
  ]).get(expected)
  assert.ok(type === expected || type === downgraded, `decoded ${type}, not ${expected}`)
}

function checkCommand(bytes: Uint8Array, version: number, shown: string): void {
  const command = decode(commandCodec, bytes, { version })
  sameBytes(encode(commandCodec, command, { version }), bytes)
  checkShown(command.type, shown)
  if (command.type === 'NEW') {
    assert.equal(command.subscribe, shown.includes('subMode = SMSubscribe'))
    assert.equal(command.password, /unBasicAuth = "([^"]*)"/.exec(shown)?.[1])
    if (version >= 15) assert.equal(command.queueRequest?.mode === 'contact', shown.includes('QRContact'))
    if (version >= 17) assert.equal(command.notifier !== undefined, !shown.includes('ntfCreds = Nothing'))
  }
  if (command.type === 'SEND') assert.equal(command.notification, shown.includes('notification = True'))
}

/** Names in what the originals show that stand in the error's text too. */
const SHOWN_ERROR_NAME = /\b[A-Z][A-Z_]+\b/g

function checkResponse(bytes: Uint8Array, version: number, shown: string): void {
  const message = decode(brokerMessageCodec, bytes, { version })
  sameBytes(encode(brokerMessageCodec, message, { version }), bytes)
  checkShown(message.type, shown)
  if (message.type !== 'ERR') return
  const errorText = formatSmpError(message.error)
  assert.deepEqual(parseSmpError(errorText), message.error)
  const names: string[] =
    shown
      .slice('ERR '.length)
      .replaceAll(/"[^"]*"/g, '')
      .match(SHOWN_ERROR_NAME) ?? []
  const told = errorText.split(' ').filter((word) => names.includes(word))
  if (version >= 12) assert.deepEqual(told, [...names])
}

function checkVector(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'kind', 'name', 'show', 'v')
  const kind = text(entry, 'kind')
  const check = { command: checkCommand, response: checkResponse }[kind]
  assert.ok(check, 'no check understands this kind')
  check(hex(entry, 'hex'), number(entry, 'v'), text(entry, 'show'))
}

function checkEnvelope(bytes: Uint8Array, entry: JsonObject): void {
  const { nonce } = sameAfterRoundTrip(clientMessageEnvelopeCodec, bytes)
  if (entry.nonce !== undefined) sameBytes(nonce, hex(entry, 'nonce'))
}

function checkRcvMessageBody(bytes: Uint8Array, entry: JsonObject): void {
  const content = sameAfterRoundTrip(rcvMessageBodyCodec, bytes)
  const what = text(entry, 'what')
  const seconds = /\bts (\d+)/.exec(what)?.[1]
  if (seconds !== undefined) assert.equal(content.timestamp, BigInt(seconds))
  const flag = /\bntf (on|off)/.exec(what)?.[1]
  if (flag !== undefined && content.type === 'message') assert.equal(content.notification, flag === 'on')
}

/** What client messages are, by the beginning of their description. */
const CLIENT_MESSAGES: readonly (readonly [RegExp, (bytes: Uint8Array, entry: JsonObject) => void])[] = [
  [/^(?:PrivHeader|ClientMessage)\b/, (bytes) => sameAfterRoundTrip(clientMessageCodec, bytes)],
  [/^(?:ClientMsgEnvelope|PubHeader)\b/, checkEnvelope],
  [/^rcv msg\b/i, checkRcvMessageBody],
  [/^NMsgMeta\b/, (bytes) => sameAfterRoundTrip(notificationMetaCodec, bytes)],
  [/^FwdTransmission\b/, (bytes) => sameAfterRoundTrip(forwardedTransmissionCodec, bytes)],
  [/^FwdResponse\b/, (bytes) => sameAfterRoundTrip(forwardedResponseCodec, bytes)],
]

function checkClientMessage(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'what', 'nonce')
  const known = CLIENT_MESSAGES.find(([pattern]) => pattern.test(text(entry, 'what')))
  assert.ok(known, 'no check understands this message')
  known[1](hex(entry, 'hex'), entry)
}

/** A public key as SPKI, or a pair in every form. */
function checkKey(key: unknown): void {
  if (typeof key === 'string') {
    sameBytes(PublicKey.fromSpki(fromHex(key)).spki, fromHex(key))
    return
  }
  const entry = object(key)
  expectKeys(entry, 'privPKCS8', 'privRaw', 'pubRaw', 'pubSPKI')
  const privateKey = PrivateKey.fromPkcs8(hex(entry, 'privPKCS8'))
  sameBytes(privateKey.raw, hex(entry, 'privRaw'))
  sameBytes(privateKey.publicKey.raw, hex(entry, 'pubRaw'))
  sameBytes(privateKey.publicKey.spki, hex(entry, 'pubSPKI'))
}

/** The check of a section that names keys. */
export const keysSection: SectionCheck = function* (section, name) {
  for (const [key, value] of Object.entries(object(section))) {
    yield { name: `${name} ${key}`, run: () => checkKey(value) }
  }
}

/** The check of a section that is one pair of keys. */
export const keyPairSection: SectionCheck = function* (section, name) {
  yield { name, run: () => checkKey(section) }
}

/** Every command, response and error, and the messages of clients: decoded, re-encoded, compared with what is shown. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-smp.json',
    cases: (data) =>
      sectionCases(data, {
        keys: keysSection,
        vectors: each(checkVector),
        clientMessages: each(checkClientMessage),
      }),
  },
]
