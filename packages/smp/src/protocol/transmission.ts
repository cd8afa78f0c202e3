import { ByteReader, ByteWriter, type Codec, concatBytes, DecodeError, decode, equalBytes } from '@parley/core/encoding'
import { type Authorization, authenticatorAlgorithm } from './authorization.ts'
import { brokerMessageCodec } from './broker-messages.ts'
import { commandCodec } from './commands.ts'
import { checkAnswerCredentials, checkCommandCredentials } from './credentials.ts'
import { UnknownTagError } from './tagged-codec.ts'
import type { BrokerMessage, Command, EntityId, SmpErrorType, Transmission } from './types.ts'
import { hasServiceSlot, type ProtocolContext, sendsSessionId } from './versions.ts'

const SERVICE_SIGNATURE_LENGTH = 64
const NO_BYTES = new Uint8Array()
const JUST = 0x31
const NOTHING = 0x30
/** Session id, ids, tag and short parameters: what a transmission has besides its long byte string. */
const ENVELOPE_CAPACITY = 256

/** What transmissions depend on: `spec/smp.md §2.4`. */
export interface SessionContext extends ProtocolContext {
  /** 12 or 32 bytes; the relay's for forwarded commands. */
  readonly sessionId: Uint8Array
}

/** An encoded command before it is authorised, or a router's message. */
export interface EncodedTransmission {
  /** What authorisations sign: session id, corrId, entityId and command. */
  readonly authorized: Uint8Array
  /** What is sent after the authorisation: a view of `authorized`, without the session id from version 7. */
  readonly body: Uint8Array
}

/** What goes into a block: authorisation, if any, and the body of an {@link EncodedTransmission}. */
export interface SignedTransmission {
  readonly authorization?: Authorization | undefined
  readonly body: Uint8Array
}

function longFieldLength(message: Command | BrokerMessage): number {
  if ('body' in message) return message.body.length
  if ('encrypted' in message) return message.encrypted.length
  return 'link' in message ? message.link.fixed.length + message.link.user.length : 0
}

function encodeTransmission<M extends Command | BrokerMessage>(
  codec: Codec<M, ProtocolContext>,
  { corrId, entityId, message }: Transmission<M>,
  session: SessionContext,
): EncodedTransmission {
  const writer = new ByteWriter(ENVELOPE_CAPACITY + longFieldLength(message))
  writer.shortString(session.sessionId)
  const bodyAt = sendsSessionId(session.version) ? 0 : writer.length
  writer.shortString(corrId).shortString(entityId)
  codec.encode(writer, message, session)
  const authorized = writer.finish()
  return { authorized, body: authorized.subarray(bodyAt) }
}

/** Encodes a command for {@link authorize} and sending. */
export function encodeCommand(transmission: Transmission<Command>, session: SessionContext): EncodedTransmission {
  return encodeTransmission(commandCodec, transmission, session)
}

/** Encodes a router's message; it carries no authorisation. */
export function encodeBrokerMessage(
  transmission: Transmission<BrokerMessage>,
  session: SessionContext,
): EncodedTransmission {
  return encodeTransmission(brokerMessageCodec, transmission, session)
}

/** Bytes that a transmission takes in a block, without its two-byte length. */
export function transmissionLength({ authorization, body }: SignedTransmission, version: number): number {
  if (!authorization) return 1 + body.length
  const { authenticator, serviceSignature } = authorization
  const slot = hasServiceSlot(version) ? 1 + (serviceSignature ? 1 + serviceSignature.length : 0) : 0
  return 1 + authenticator.length + slot + body.length
}

/** Appends authorisation and body as they stand in blocks: `spec/smp.md §2.4`. */
export function writeTransmission(
  writer: ByteWriter,
  { authorization, body }: SignedTransmission,
  version: number,
): void {
  if (authorization) {
    writer.shortString(authorization.authenticator)
    if (hasServiceSlot(version))
      writer.maybe(authorization.serviceSignature, (w, signature) => w.shortString(signature))
  } else {
    writer.byte(0)
  }
  writer.bytes(body)
}

/** A transmission taken apart, its command not decoded yet. All byte strings are views of the input. */
export interface RawTransmission {
  /** Empty when there is none; its length is not checked yet. */
  readonly authenticator: Uint8Array
  readonly serviceSignature?: Uint8Array
  /** Below version 7 only. */
  readonly sessionId?: Uint8Array
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly command: Uint8Array
  /** What follows the authorisation. */
  readonly body: Uint8Array
}

function readServiceSignature(reader: ByteReader): Uint8Array | undefined {
  const at = reader.offset
  const mark = reader.byte()
  if (mark === NOTHING) return undefined
  if (mark !== JUST) reader.fail('expected 0 or 1 before a service signature', at)
  const signature = reader.shortString()
  if (signature.length !== SERVICE_SIGNATURE_LENGTH) reader.fail('service signature of a wrong length', at)
  return signature
}

/** Takes a transmission apart. @throws DecodeError, which routers answer with `ERR BLOCK` */
export function parseTransmission(bytes: Uint8Array, version: number): RawTransmission {
  const reader = new ByteReader(bytes)
  const authenticator = reader.shortString()
  const serviceSignature =
    hasServiceSlot(version) && authenticator.length > 0 ? readServiceSignature(reader) : undefined
  const body = bytes.subarray(reader.offset)
  const sessionId = sendsSessionId(version) ? reader.shortString() : undefined
  const corrId = reader.shortString()
  const entityId = reader.shortString()
  return {
    authenticator,
    ...(serviceSignature && { serviceSignature }),
    ...(sessionId && { sessionId }),
    corrId,
    entityId,
    command: reader.tail(),
    body,
  }
}

/** What authorisations of a received transmission sign. A copy of its body, so made only when it is verified. */
export function authorizedBytes(body: Uint8Array, session: SessionContext): Uint8Array {
  if (sendsSessionId(session.version)) return body
  return concatBytes(Uint8Array.of(session.sessionId.length), session.sessionId, body)
}

/** A received transmission that cannot be executed: a router answers `ERR` with these ids. */
export interface Refused {
  readonly ok: false
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly error: SmpErrorType
}

/** A received command with its credentials present as its kind requires, but not verified. */
export interface ReceivedCommand extends Transmission<Command> {
  readonly ok: true
  readonly authorization?: Authorization
  /** See {@link authorizedBytes}. */
  readonly body: Uint8Array
}

/** A message of a router. */
export interface ReceivedMessage extends Transmission<BrokerMessage> {
  readonly ok: true
}

/** The error that a router answers to a command which {@link commandCodec} does not read: `spec/smp.md §2.4`. */
export function commandDecodeErrorType(error: DecodeError): SmpErrorType {
  return { type: 'CMD', error: error instanceof UnknownTagError ? 'UNKNOWN' : 'SYNTAX' }
}

const BLOCK_REFUSED: Refused = { ok: false, corrId: NO_BYTES, entityId: NO_BYTES, error: { type: 'BLOCK' } }

function attempt<T>(read: () => T, refuse: (error: DecodeError) => Refused): T | Refused {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) return refuse(error)
    throw error
  }
}

function isRefused(value: object): value is Refused {
  return 'ok' in value && value.ok === false
}

function openTransmission(bytes: Uint8Array, session: SessionContext): RawTransmission | Refused {
  const raw = attempt(
    () => parseTransmission(bytes, session.version),
    () => BLOCK_REFUSED,
  )
  if (isRefused(raw)) return raw
  if (raw.sessionId && !equalBytes(raw.sessionId, session.sessionId)) {
    return { ok: false, corrId: raw.corrId, entityId: NO_BYTES, error: { type: 'SESSION' } }
  }
  return raw
}

/**
 * Reads a command and checks its form and the presence of its credentials, in the order and with the errors of
 * `spec/smp.md §2.4`. Never throws for input from outside. Byte strings are views of the input.
 */
export function decodeCommand(bytes: Uint8Array, session: SessionContext): ReceivedCommand | Refused {
  const raw = openTransmission(bytes, session)
  if (isRefused(raw)) return raw
  const { authenticator, serviceSignature, corrId, entityId, body } = raw
  const isAuthorized = authenticator.length > 0
  if (isAuthorized && authenticatorAlgorithm(authenticator) === undefined) {
    return { ok: false, corrId, entityId: NO_BYTES, error: { type: 'BLOCK' } }
  }
  const message = attempt<Command | Refused>(
    () => decode(commandCodec, raw.command, session),
    (error) => ({ ok: false, corrId, entityId, error: commandDecodeErrorType(error) }),
  )
  if ('ok' in message) return message
  const missing = checkCommandCredentials(message.type, isAuthorized, entityId)
  if (missing) return { ok: false, corrId, entityId, error: { type: 'CMD', error: missing } }
  if (!isAuthorized) return { ok: true, corrId, entityId, message, body }
  const authorization = { authenticator, ...(serviceSignature && { serviceSignature }) }
  return { ok: true, corrId, entityId, message, authorization, body }
}

/** Reads a message of a router, as {@link decodeCommand} reads commands; authorisations are not looked at. */
export function decodeBrokerMessage(bytes: Uint8Array, session: SessionContext): ReceivedMessage | Refused {
  const raw = openTransmission(bytes, session)
  if (isRefused(raw)) return raw
  const { corrId, entityId } = raw
  const message = attempt<BrokerMessage | Refused>(
    () => decode(brokerMessageCodec, raw.command, session),
    (error) => ({ ok: false, corrId, entityId, error: commandDecodeErrorType(error) }),
  )
  if ('ok' in message) return message
  const wrong = checkAnswerCredentials(message.type, entityId)
  if (wrong) return { ok: false, corrId, entityId, error: { type: 'CMD', error: wrong } }
  return { ok: true, corrId, entityId, message }
}
