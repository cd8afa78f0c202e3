import { type ByteReader, type ByteWriter, type Codec, decode, encode } from '@parley/core/encoding'
import type {
  BrokerErrorType,
  CommandErrorType,
  HandshakeErrorType,
  NetworkErrorType,
  ProxyErrorType,
  SmpErrorType,
  TransportErrorType,
} from './types.ts'

const SPACE = 0x20
/** Errors of relays nest in `PROXY PROTOCOL`; deeper than any real one is refused, so that no input exhausts the stack. */
const MAX_NESTING = 16
const MAX_DETAIL = 255

const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })

const COMMAND_ERRORS: readonly CommandErrorType[] = [
  'UNKNOWN',
  'SYNTAX',
  'PROHIBITED',
  'NO_AUTH',
  'HAS_AUTH',
  'NO_ENTITY',
]
const HANDSHAKE_ERRORS: readonly HandshakeErrorType[] = ['PARSE', 'IDENTITY', 'BAD_AUTH', 'BAD_SERVICE']

type BareError = Exclude<SmpErrorType['type'], 'CMD' | 'PROXY' | 'BLOCKED' | 'STORE'>
const BARE_ERRORS: readonly BareError[] = [
  'BLOCK',
  'SESSION',
  'AUTH',
  'SERVICE',
  'CRYPTO',
  'QUOTA',
  'NO_MSG',
  'LARGE_MSG',
  'EXPIRED',
  'INTERNAL',
  'DUPLICATE_',
]
const BARE_TRANSPORT_ERRORS = ['BLOCK', 'VERSION', 'LARGE_MSG', 'SESSION', 'NO_AUTH'] as const

function oneOf<T extends string>(word: string, names: readonly T[]): T | undefined {
  return names.find((name) => name === word)
}

function readOneOf<T extends string>(reader: ByteReader, names: readonly T[], what: string): T {
  const at = reader.offset
  return oneOf(reader.word(), names) ?? reader.fail(`not ${what}`, at)
}

function writeWord(writer: ByteWriter, word: string): ByteWriter {
  return writer.literal(word).byte(SPACE)
}

/** Error of the block transport inside an error of the protocol: `spec/smp.md §4`. */
export const transportErrorCodec: Codec<TransportErrorType> = {
  encode(writer, error) {
    if (error.type === 'HANDSHAKE') writeWord(writer, 'HANDSHAKE').literal(error.error)
    else writer.literal(error.type)
  },
  decode(reader) {
    const at = reader.offset
    const word = reader.word()
    const bare = oneOf(word, BARE_TRANSPORT_ERRORS)
    if (bare !== undefined) return { type: bare }
    if (word !== 'HANDSHAKE') return reader.fail('not a transport error', at)
    reader.literal(' ')
    return { type: 'HANDSHAKE', error: readOneOf(reader, HANDSHAKE_ERRORS, 'a handshake error') }
  },
}

/** `reason=spam` or `reason=content`, then optionally `,notice=` and JSON to the end: `spec/smp.md §4`. */
const blockingCodec: Codec<Extract<SmpErrorType, { readonly type: 'BLOCKED' }>> = {
  encode(writer, { reason, noticeTtl }) {
    writer.literal(`reason=${reason}`)
    if (noticeTtl !== undefined)
      writer.literal(`,notice=${JSON.stringify(noticeTtl === null ? {} : { ttl: noticeTtl })}`)
  },
  decode(reader) {
    const at = reader.offset
    const match = /^reason=(spam|content)(?:,notice=(.*))?$/s.exec(lossyUtf8.decode(reader.tail()))
    if (!match) return reader.fail('not a blocking reason', at)
    const reason = match[1] as 'spam' | 'content'
    if (match[2] === undefined) return { type: 'BLOCKED', reason }
    const noticeTtl = readNoticeTtl(match[2])
    return noticeTtl === undefined ? reader.fail('not a blocking notice', at) : { type: 'BLOCKED', reason, noticeTtl }
  },
}

function readNoticeTtl(json: string): number | null | undefined {
  let notice: unknown
  try {
    notice = JSON.parse(json)
  } catch {
    return undefined
  }
  if (typeof notice !== 'object' || notice === null || Array.isArray(notice)) return undefined
  const { ttl = null } = notice as { ttl?: unknown }
  return ttl === null || Number.isSafeInteger(ttl) ? (ttl as number | null) : undefined
}

/** Explanations on the wire are short strings of one byte a character; longer ones are cut. */
const wireDetailCodec: Codec<string> = {
  encode(writer, detail) {
    writer.shortString(Buffer.from(detail, 'latin1').subarray(0, MAX_DETAIL))
  },
  decode(reader) {
    return Buffer.from(reader.shortString()).toString('latin1')
  },
}

/** Explanations in text take all that is left, in UTF-8. */
const textDetailCodec: Codec<string> = {
  encode(writer, detail) {
    writer.bytes(Buffer.from(detail, 'utf8'))
  },
  decode(reader) {
    return lossyUtf8.decode(reader.tail())
  },
}

/** Errors differ between wire and text only in how explanations end. */
function errorCodecs(detailCodec: Codec<string>) {
  const detail = (reader: ByteReader): string => {
    reader.literal(' ')
    return detailCodec.decode(reader)
  }

  const decodeNetwork = (reader: ByteReader): NetworkErrorType => {
    const at = reader.offset
    const word = reader.word()
    if (word === 'CONNECT' || word === 'TLS' || word === 'SUBSCRIBE') return { type: word, detail: detail(reader) }
    if (word === 'UNKNOWNCA' || word === 'FAILED' || word === 'TIMEOUT') return { type: word }
    return reader.fail('not a network error', at)
  }

  const broker: Codec<BrokerErrorType> = {
    encode(writer, error) {
      if (error.type === 'RESPONSE' || error.type === 'UNEXPECTED') {
        detailCodec.encode(writeWord(writer, error.type), error.detail)
      } else if (error.type === 'TRANSPORT') {
        transportErrorCodec.encode(writeWord(writer, error.type), error.error)
      } else {
        // The cause of NETWORK is read but never written: older programs would not understand it.
        writer.literal(error.type)
      }
    },
    decode(reader) {
      const at = reader.offset
      const word = reader.word()
      if (word === 'TIMEOUT' || word === 'HOST' || word === 'NO_SERVICE') return { type: word }
      if (word === 'RESPONSE' || word === 'UNEXPECTED') return { type: word, detail: detail(reader) }
      if (word === 'NETWORK') {
        if (reader.remaining === 0) return { type: word }
        reader.literal(' ')
        return { type: word, error: decodeNetwork(reader) }
      }
      if (word !== 'TRANSPORT') return reader.fail('not a broker error', at)
      reader.literal(' ')
      return { type: word, error: transportErrorCodec.decode(reader) }
    },
  }

  const encodeProxy = (writer: ByteWriter, error: ProxyErrorType): void => {
    if (error.type === 'PROTOCOL') encodeSmp(writeWord(writer, error.type), error.error)
    else if (error.type === 'BROKER') broker.encode(writeWord(writer, error.type), error.error)
    else writer.literal(error.type)
  }

  const decodeProxy = (reader: ByteReader, depth: number): ProxyErrorType => {
    const at = reader.offset
    const word = reader.word()
    if (word === 'BASIC_AUTH' || word === 'NO_SESSION') return { type: word }
    if (word !== 'PROTOCOL' && word !== 'BROKER') return reader.fail('not a proxy error', at)
    reader.literal(' ')
    if (word === 'BROKER') return { type: word, error: broker.decode(reader) }
    if (depth >= MAX_NESTING) return reader.fail('errors nest too deep', at)
    return { type: word, error: decodeSmp(reader, depth + 1) }
  }

  const encodeSmp = (writer: ByteWriter, error: SmpErrorType): void => {
    switch (error.type) {
      case 'CMD':
        writeWord(writer, error.type).literal(error.error)
        break
      case 'PROXY':
        encodeProxy(writeWord(writer, error.type), error.error)
        break
      case 'BLOCKED':
        blockingCodec.encode(writeWord(writer, error.type), error)
        break
      case 'STORE':
        textDetailCodec.encode(writeWord(writer, error.type), error.detail)
        break
      default:
        writer.literal(error.type)
    }
  }

  const decodeSmp = (reader: ByteReader, depth: number): SmpErrorType => {
    const at = reader.offset
    const word = reader.word()
    const bare = oneOf(word, BARE_ERRORS)
    if (bare !== undefined) return { type: bare }
    if (word !== 'CMD' && word !== 'PROXY' && word !== 'BLOCKED' && word !== 'STORE') {
      return reader.fail('not an error of the protocol', at)
    }
    reader.literal(' ')
    if (word === 'PROXY') return { type: word, error: decodeProxy(reader, depth) }
    if (word === 'BLOCKED') return blockingCodec.decode(reader)
    if (word === 'STORE') return { type: word, detail: textDetailCodec.decode(reader) }
    return { type: word, error: readCommandError(reader) }
  }

  const smp: Codec<SmpErrorType> = { encode: encodeSmp, decode: (reader) => decodeSmp(reader, 0) }
  const proxy: Codec<ProxyErrorType> = { encode: encodeProxy, decode: (reader) => decodeProxy(reader, 0) }
  return { smp, proxy, broker }
}

function readCommandError(reader: ByteReader): CommandErrorType {
  const at = reader.offset
  const word = reader.word()
  // The name that NO_ENTITY had in older versions.
  if (word === 'NO_QUEUE') return 'NO_ENTITY'
  return oneOf(word, COMMAND_ERRORS) ?? reader.fail('not a command error', at)
}

const wire = errorCodecs(wireDetailCodec)
const text = errorCodecs(textDetailCodec)

/** Errors as routers send them: `spec/smp.md §4`. Not gated by version: `brokerMessageCodec` does that. */
export const smpErrorCodec: Codec<SmpErrorType> = wire.smp

function formatted<T>(codec: Codec<T>, error: T): string {
  return Buffer.from(encode(codec, error)).toString('utf8')
}

/** The text form of an error, for example `PROXY BROKER TIMEOUT`. Its decoder is {@link parseSmpError}. */
export function formatSmpError(error: SmpErrorType): string {
  return formatted(text.smp, error)
}

/** Reads the text form of an error. @throws DecodeError */
export function parseSmpError(error: string): SmpErrorType {
  return decode(text.smp, Buffer.from(error, 'utf8'))
}

/** The text form of an error between a proxy and a relay. */
export function formatProxyError(error: ProxyErrorType): string {
  return formatted(text.proxy, error)
}

/** Reads the text form of a proxy error. @throws DecodeError */
export function parseProxyError(error: string): ProxyErrorType {
  return decode(text.proxy, Buffer.from(error, 'utf8'))
}

/** The text form of an error of reaching a router, for example `TRANSPORT HANDSHAKE IDENTITY`. */
export function formatBrokerError(error: BrokerErrorType): string {
  return formatted(text.broker, error)
}

/** Reads the text form of a broker error. @throws DecodeError */
export function parseBrokerError(error: string): BrokerErrorType {
  return decode(text.broker, Buffer.from(error, 'utf8'))
}
