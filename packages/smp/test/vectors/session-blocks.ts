import assert from 'node:assert/strict'
import { DecodeError, decode, encode } from '@parley/core/encoding'
import { isCompatible } from '@parley/core/version'
import {
  authorizedBytes,
  brokerMessageCodec,
  clientHelloCodec,
  commandCodec,
  decodeBatch,
  decodeBrokerMessage,
  decodeClientHello,
  decodeCommand,
  decodeServerHello,
  decodeServiceResponse,
  encodeBatch,
  encodeBrokerMessage,
  encodeCommand,
  maxMessageLength,
  packTransmissions,
  parseTransmission,
  type SessionContext,
  type SignedTransmission,
  SMP_VERSIONS,
  serverHelloCodec,
  serviceResponseCodec,
  UnknownTagError,
} from '@parley/smp/protocol'
import { expectKeys, hex, type JsonObject, sameBytes, text } from '../../../core/test/vectors/vector-file.ts'
import { type CutValues, cutDigest } from './cut-values.ts'
import type { SessionKeys } from './session-keys.ts'

const BLOCK_SIZE = 16384
const TAG_LENGTH = 16
const PAD_LENGTH = 2

/** What a block is, told by its place in its connection. */
export type BlockPlace =
  | { readonly type: 'serverHello' | 'clientHello' | 'serviceResponse' }
  | { readonly type: 'commands' | 'messages'; readonly session: SessionContext }

interface Connection {
  /** Whether the program is the router of this connection. */
  readonly isRouter: boolean
  hello?: { readonly version: number; readonly hasService: boolean }
  hasServiceResponse: boolean
}

function nextPlace(connection: Connection, entry: JsonObject): BlockPlace {
  if (!connection.hello) {
    const { version, service } = decodeClientHello(hex(entry, 'data'))
    connection.hello = { version, hasService: service !== undefined }
    return { type: 'clientHello' }
  }
  const { version, hasService } = connection.hello
  if (hasService && !connection.hasServiceResponse) {
    connection.hasServiceResponse = true
    return { type: 'serviceResponse' }
  }
  const fromRouter = (entry.dir === 'out') === connection.isRouter
  return { type: fromRouter ? 'messages' : 'commands', session: { version, sessionId: hex(entry, 'sid') } }
}

/** The place of each block that one program saw; those of malformed connections have none. */
export function followConnections(entries: readonly JsonObject[]): ReadonlyMap<JsonObject, BlockPlace> {
  const connections = new Map<unknown, Connection>()
  const places = new Map<JsonObject, BlockPlace>()
  for (const entry of entries) {
    if (entry.kind !== 'block') continue
    const connection = connections.get(entry.sid)
    if (!connection) {
      connections.set(entry.sid, { isRouter: entry.dir === 'out', hasServiceResponse: false })
      places.set(entry, { type: 'serverHello' })
      continue
    }
    try {
      places.set(entry, nextPlace(connection, entry))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return places
}

/** Decodes every command of a block's content, verifies what can be, and builds the same content again. */
export function checkCommands(content: Uint8Array, session: SessionContext, keys: SessionKeys): void {
  const signed = decodeBatch(content).map((bytes): SignedTransmission => {
    const received = decodeCommand(bytes, session)
    assert.ok(received.ok, 'command is refused')
    const { message, authorization, body } = received
    if (message.type === 'SEND') assert.ok(message.body.length <= maxMessageLength(session.version))
    const encoded = encodeCommand(received, session)
    sameBytes(encoded.body, body, message.type)
    sameBytes(encoded.authorized, authorizedBytes(body, session), message.type)
    assert.notEqual(keys.verify(received, session), false, `authorisation of ${message.type}`)
    return { authorization, body: encoded.body }
  })
  sameBytes(encodeBatch(signed, session.version), content)
  assert.deepEqual(
    packTransmissions(signed, session.version).map(({ type }) => type),
    ['block'],
  )
}

/** Decodes every message of a block's content and builds the same content again. */
export function checkMessages(content: Uint8Array, session: SessionContext): void {
  const signed = decodeBatch(content).map((bytes): SignedTransmission => {
    const received = decodeBrokerMessage(bytes, session)
    assert.ok(received.ok, 'message is refused')
    const { body } = encodeBrokerMessage(received, session)
    sameBytes(body, parseTransmission(bytes, session.version).body, received.message.type)
    return { body }
  })
  sameBytes(encodeBatch(signed, session.version), content)
}

/** Of a block whose end is lost: the transmission's own fields and the tag, in a block of the length that is told. */
function checkStart(entry: JsonObject, length: number, place: BlockPlace & { readonly session: SessionContext }): void {
  const shown = hex(entry, 'data')
  const standIn = new Uint8Array(length)
  standIn.set(shown)
  const [bytes, ...others] = decodeBatch(standIn)
  assert.deepEqual(others, [], 'only blocks of one transmission are cut')
  const raw = parseTransmission(bytes, place.session.version)
  const { authenticator, serviceSignature, body, command } = raw
  const authorization = { authenticator, ...(serviceSignature && { serviceSignature }) }
  const signed = authenticator.length > 0 ? { authorization, body } : { body }
  sameBytes(encodeBatch([signed], place.session.version), standIn)
  const codec = place.type === 'commands' ? commandCodec : brokerMessageCodec
  // Decoding fails where the shown bytes end, not at the tag and nothing before the end.
  assert.throws(
    () => decode<unknown, SessionContext>(codec, command, place.session),
    (error: Error) => error instanceof DecodeError && !(error instanceof UnknownTagError),
  )
}

function checkHandshake(type: BlockPlace['type'], content: Uint8Array, sessionId: Uint8Array): void {
  if (type === 'serverHello') {
    const hello = decodeServerHello(content)
    sameBytes(encode(serverHelloCodec, hello), content)
    sameBytes(hello.sessionId, sessionId)
  } else if (type === 'clientHello') {
    const hello = decodeClientHello(content)
    sameBytes(encode(clientHelloCodec, hello), content)
    assert.ok(isCompatible(hello.version, SMP_VERSIONS))
  } else {
    sameBytes(encode(serviceResponseCodec, decodeServiceResponse(content)), content)
  }
}

/** Checks one block of a session in its place. */
export function checkBlock(
  entry: JsonObject,
  values: CutValues,
  keys: SessionKeys,
  place: BlockPlace | undefined,
): void {
  expectKeys(entry, 't', 'kind', 'dir', 'enc', 'size', 'sid', 'data', 'dataTruncated')
  assert.match(text(entry, 'dir'), /^(?:in|out)$/)
  assert.match(text(entry, 'enc'), /^[01]$/)
  assert.equal(Number(entry.size), BLOCK_SIZE)
  assert.ok(place, 'block of a connection whose handshake cannot be read')
  const content = values.find(entry, 'data')
  const length = content?.length ?? cutDigest(entry, 'data')?.length ?? 0
  assert.ok(length <= BLOCK_SIZE - PAD_LENGTH - (entry.enc === '1' ? TAG_LENGTH : 0), 'block is too long')
  if (!('session' in place)) checkHandshake(place.type, content ?? hex(entry, 'data'), hex(entry, 'sid'))
  else if (content === undefined) checkStart(entry, length, place)
  else if (place.type === 'commands') checkCommands(content, place.session, keys)
  else checkMessages(content, place.session)
}
