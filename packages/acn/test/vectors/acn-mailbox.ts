import assert from 'node:assert/strict'
import {
  AcnStatusError,
  decodeAgentRecord,
  decodeEnvelope,
  encodeAgentRecord,
  encodeEnvelope,
} from '@parley/acn/protocol'
import {
  PeerKey,
  sessionPoint,
  signSessionPoint,
  verifyRepresentation,
  verifySessionCertificate,
} from '@parley/acn/record'
import { DecodeError } from '@parley/core/encoding'
import {
  expectKeys,
  failing,
  hex,
  isObject,
  type JsonObject,
  number,
  object,
  sameBytes,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

const OK = 200
/** The answers that blame the record. */
const REFUSED_RECORD = /deserialize|PoR/

function checkTls(tls: JsonObject): void {
  expectKeys(tls, 'peerPublicKey', 'peerPrivateKey', 'certDerHex', 'sessionPublicKeyUncompressedHex', 'signatureDerHex')
  const key = new PeerKey(hex(tls, 'peerPrivateKey'))
  assert.equal(key.publicKeyHex, text(tls, 'peerPublicKey'))
  const certificate = hex(tls, 'certDerHex')
  const point = sessionPoint(certificate)
  sameBytes(point, hex(tls, 'sessionPublicKeyUncompressedHex'))
  const signature = hex(tls, 'signatureDerHex')
  assert.ok(verifySessionCertificate(key.publicKey, certificate, signature))
  sameBytes(signSessionPoint(key, point), signature)
}

/** The bodies of one exchange: what a mailbox takes it decodes and encodes as it was, what it refuses it cannot use. */
function checkExchange(exchange: JsonObject, tls: JsonObject): void {
  expectKeys(
    exchange,
    'method',
    'path',
    'requestBodyHex',
    'requestHeaders',
    'status',
    'responseHeaders',
    'responseBodyHex',
  )
  const request = hex(exchange, 'requestBodyHex')
  const response = hex(exchange, 'responseBodyHex')
  const status = number(exchange, 'status')
  const call = `${text(exchange, 'method')} ${text(exchange, 'path')}`
  if (call === 'POST /register' && request.length > 0) {
    const reason = status === OK ? '' : Buffer.from(response).toString('utf8')
    if (status === OK) assert.ok(isRegistration(request, text(tls, 'peerPublicKey')))
    if (REFUSED_RECORD.test(reason)) assert.ok(!isRegistration(request, text(tls, 'peerPublicKey')))
  }
  if (call === 'POST /register' && status === OK) {
    assert.match(Buffer.from(response).toString('latin1'), /^[0-9a-f]{32}$/)
  }
  if (call === 'POST /send_envelope' && request.length > 0) {
    assert.ok(isEnvelope(request) || status !== OK)
  }
  if (call === 'GET /get_envelope' && status === OK && response.length > 0) assert.ok(isEnvelope(response))
  if (call === 'GET /ssl_signature' && status === OK) {
    const { publicKey } = new PeerKey(hex(tls, 'peerPrivateKey'))
    assert.ok(verifySessionCertificate(publicKey, hex(tls, 'certDerHex'), response))
  }
}

/** Whether the bytes are a record that proves something to this peer. */
function isRegistration(bytes: Uint8Array, representativePublicKey: string): boolean {
  try {
    const record = decodeAgentRecord(bytes)
    sameBytes(encodeAgentRecord(record), bytes)
    verifyRepresentation(record, { expectedAddress: record.address, representativePublicKey })
    return true
  } catch (error) {
    if (error instanceof DecodeError || error instanceof AcnStatusError) return false
    throw error
  }
}

function isEnvelope(bytes: Uint8Array): boolean {
  try {
    sameBytes(encodeEnvelope(decodeEnvelope(bytes)), bytes)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

/** The certificate of a mailbox, and the bodies of a client's requests and their answers. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-mailbox.json',
    *cases(data) {
      if (!isObject(data) || !isObject(data.tls)) return yield failing('file', 'no tls')
      const { tls } = data
      yield* sectionCases(data, {
        *tls(section, name): Iterable<VectorCase> {
          yield { name, run: () => checkTls(object(section)) }
        },
        *exchanges(section, name): Iterable<VectorCase> {
          if (!Array.isArray(section)) return yield failing(name, 'not a list')
          for (const [index, exchange] of section.entries()) {
            yield { name: `${name}[${index}]`, run: () => checkExchange(object(exchange), tls) }
          }
        },
      })
    },
  },
]
