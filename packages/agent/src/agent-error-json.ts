import type {
  BrokerErrorType,
  NetworkErrorType,
  ProxyErrorType,
  SmpErrorType,
  TransportErrorType,
} from '@parley/smp/protocol'
import type {
  AgentCryptoError,
  AgentErrorType,
  FileErrorType,
  PeerErrorType,
  ProxyClientErrorType,
} from './agent-error-type.ts'

/** A value in the original's tagged form: `type` names the constructor, the other fields are its record's. */
export interface TaggedJson {
  readonly type: string
  readonly [field: string]: unknown
}

/** {@link TaggedJson} of an agent error. */
export type AgentErrorJson = TaggedJson

/**
 * The JSON that the original's applications read: field names of its records, absent optional fields left out,
 * times as ISO 8601. `spec/agent.md §13`.
 */
export function agentErrorToJson(error: AgentErrorType): AgentErrorJson {
  switch (error.type) {
    case 'CMD':
      return { type: 'CMD', cmdErr: { type: error.error }, errContext: error.context }
    case 'CONN':
      return { type: 'CONN', connErr: { type: error.error }, errContext: error.context }
    case 'NO_USER':
    case 'INACTIVE':
      return { type: error.type }
    case 'SMP':
      return { type: 'SMP', serverAddress: error.server, smpErr: smpErrorToJson(error.error) }
    case 'NTF':
      return { type: 'NTF', serverAddress: error.server, ntfErr: smpErrorToJson(error.error) }
    case 'PROXY': {
      const { proxy, relay } = error
      return { type: 'PROXY', proxyServer: proxy, relayServer: relay, proxyErr: proxyClientErrorToJson(error.error) }
    }
    case 'BROKER':
      return { type: 'BROKER', brokerAddress: error.server, brokerErr: brokerErrorToJson(error.error) }
    case 'AGENT':
      return { type: 'AGENT', agentErr: peerErrorToJson(error.error) }
    case 'FILE':
      return { type: 'FILE', fileErr: fileErrorToJson(error.error) }
    case 'NOTICE': {
      const { server, preset, expiresAt } = error
      return { type: 'NOTICE', server, preset, ...(expiresAt && { expiresAt: utcTime(expiresAt) }) }
    }
    case 'INTERNAL':
      return { type: 'INTERNAL', internalErr: error.detail }
    case 'CRITICAL':
      return { type: 'CRITICAL', offerRestart: error.offerRestart, criticalErr: error.detail }
  }
}

/** Tagged form of an error of the SMP or notification protocol. */
export function smpErrorToJson(error: SmpErrorType): TaggedJson {
  switch (error.type) {
    case 'CMD':
      return { type: 'CMD', cmdErr: { type: error.error } }
    case 'PROXY':
      return { type: 'PROXY', proxyErr: proxyErrorToJson(error.error) }
    case 'BLOCKED': {
      const { reason, noticeTtl } = error
      // A notice without an end has no `ttl` field; no notice at all has no `notice` field.
      const notice = noticeTtl === undefined ? {} : { notice: noticeTtl === null ? {} : { ttl: noticeTtl } }
      return { type: 'BLOCKED', blockInfo: { reason, ...notice } }
    }
    case 'STORE':
      return { type: 'STORE', storeErr: error.detail }
    default:
      return { type: error.type }
  }
}

/** Tagged form of a failure to talk to a router. */
export function brokerErrorToJson(error: BrokerErrorType): TaggedJson {
  switch (error.type) {
    case 'RESPONSE':
    case 'UNEXPECTED':
      return { type: error.type, respErr: error.detail }
    case 'NETWORK':
      return { type: 'NETWORK', networkError: networkErrorToJson(error.error ?? { type: 'FAILED' }) }
    case 'TRANSPORT':
      return { type: 'TRANSPORT', transportErr: transportErrorToJson(error.error) }
    case 'TIMEOUT':
    case 'HOST':
    case 'NO_SERVICE':
      return { type: error.type }
  }
}

function networkErrorToJson(error: NetworkErrorType): TaggedJson {
  switch (error.type) {
    case 'CONNECT':
      return { type: 'connectError', connectError: error.detail }
    case 'TLS':
      // The original lowers only the first letter of the constructor's name.
      return { type: 'tLSError', tlsError: error.detail }
    case 'SUBSCRIBE':
      return { type: 'subscribeError', subscribeError: error.detail }
    case 'UNKNOWNCA':
      return { type: 'unknownCAError' }
    case 'FAILED':
      return { type: 'failedError' }
    case 'TIMEOUT':
      return { type: 'timeoutError' }
  }
}

const TRANSPORT_TAGS = {
  BLOCK: 'badBlock',
  VERSION: 'version',
  LARGE_MSG: 'largeMsg',
  SESSION: 'badSession',
  NO_AUTH: 'noServerAuth',
} as const

function transportErrorToJson(error: TransportErrorType): TaggedJson {
  if (error.type === 'HANDSHAKE') return { type: 'handshake', handshakeErr: { type: error.error } }
  return { type: TRANSPORT_TAGS[error.type] }
}

function proxyErrorToJson(error: ProxyErrorType): TaggedJson {
  switch (error.type) {
    case 'PROTOCOL':
      return { type: 'PROTOCOL', protocolErr: smpErrorToJson(error.error) }
    case 'BROKER':
      return { type: 'BROKER', brokerErr: brokerErrorToJson(error.error) }
    case 'BASIC_AUTH':
    case 'NO_SESSION':
      return { type: error.type }
  }
}

function proxyClientErrorToJson(error: ProxyClientErrorType): TaggedJson {
  switch (error.type) {
    case 'PROTOCOL':
      return { type: 'protocolError', protocolErr: smpErrorToJson(error.error) }
    case 'UNEXPECTED':
      return { type: 'unexpectedResponse', responseStr: error.detail }
    case 'RESPONSE':
      return { type: 'responseError', responseErr: smpErrorToJson(error.error) }
  }
}

function peerErrorToJson(error: PeerErrorType): TaggedJson {
  switch (error.type) {
    case 'A_MESSAGE':
    case 'A_VERSION':
      return { type: error.type }
    case 'A_PROHIBITED':
      return { type: 'A_PROHIBITED', prohibitedErr: error.detail }
    case 'A_LINK':
      return { type: 'A_LINK', linkErr: error.detail }
    case 'A_QUEUE':
      return { type: 'A_QUEUE', queueErr: error.detail }
    case 'A_CRYPTO':
      return { type: 'A_CRYPTO', cryptoErr: cryptoErrorToJson(error.error) }
    case 'A_DUPLICATE': {
      const { dropped } = error
      if (!dropped) return { type: 'A_DUPLICATE' }
      return {
        type: 'A_DUPLICATE',
        droppedMsg_: { brokerTs: utcTime(dropped.brokerTs), attempts: dropped.attempts },
      }
    }
  }
}

function cryptoErrorToJson(error: AgentCryptoError): TaggedJson {
  return 'count' in error ? { type: error.type, data: error.count } : { type: error.type }
}

function fileErrorToJson(error: FileErrorType): TaggedJson {
  switch (error.type) {
    case 'REDIRECT':
      return { type: 'REDIRECT', redirectError: error.detail }
    case 'FILE_IO':
      return { type: 'FILE_IO', fileIOError: error.detail }
    default:
      return { type: error.type }
  }
}

/** ISO 8601 as the original writes it: no zeros at the end of a fraction, no empty fraction. */
function utcTime(date: Date): string {
  return date.toISOString().replace(/\.?0*Z$/, 'Z')
}
