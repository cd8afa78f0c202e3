// Every place at which bytes or text from outside enter: `npm run test:fuzz` throws 100,000 inputs at each.
import { PeerKey } from '@parley/acn/record'
import { AgentError } from '@parley/agent'
import {
  connectionRequestCodec,
  contactLinkKeys,
  decryptLinkData,
  fixedLinkDataCodec,
  linkUserDataCodec,
  ownerAuthCodec,
  parseConnectionLink,
  parseConnectionRequest,
  parseE2eParamsUri,
  parseQueueUri,
  parseShortLink,
  shortLinkCodec,
  smpQueueInfoCodec,
  smpQueueUriCodec,
} from '@parley/agent/links'
import { agentEnvelopeCodec, agentMessageCodec, aMessageCodec } from '@parley/agent/protocol'
import {
  e2eParamsCodec,
  e2eParamsUriCodec,
  encryptedHeaderCodec,
  encryptedMessageCodec,
  messageHeaderCodec,
  openMessage,
  parseRatchet,
  RatchetError,
  SkippedKeyMap,
} from '@parley/agent/ratchet'
import { CertificateError, readCertificate, validateChain, verifySignedKey } from '@parley/core/certificates'
import { CryptoError, openBox, PublicKey, publicKeyCodec, sealBox } from '@parley/core/crypto'
import { ByteReader, type Codec, DecodeError, decode, encode, fromBase64url, unpad } from '@parley/core/encoding'
import { BlockCipher, TransportError } from '@parley/core/transport'
import { versionRangeFromText } from '@parley/core/version'
import {
  brokerMessageCodec,
  clientMessageCodec,
  clientMessageEnvelopeCodec,
  commandCodec,
  decodeBatch,
  decodeBrokerBlock,
  decodeClientHello,
  decodeCommandBlock,
  decodeServerHello,
  decodeServiceResponse,
  forwardedResponseCodec,
  forwardedTransmissionCodec,
  notificationMetaCodec,
  parseProxyError,
  parseServerAddress,
  parseSmpError,
  parseTransmission,
  queueInfoCodec,
  rcvMessageBodyCodec,
  smpErrorCodec,
  smpServerCodec,
} from '@parley/smp/protocol'
import { decodeContactCard, decodeLinkBinding, decodeSignedCard } from '../../packages/parley/src/card/index.ts'
import {
  decodeChannelMessage,
  decodeChannelRequest,
  encodeChannelMessage,
  encodeChannelRequest,
} from '../../packages/parley/src/channel/protocol/index.ts'
import { decodeCardMessage, encodeCardMessage } from '../../packages/parley/src/directory/index.ts'
import { openQuestion, sealQuestion } from '../../packages/parley/src/directory/seal.ts'
import { BadRequest, parseRequest } from '../../packages/parley/src/jsonl/request.ts'
import { cardSamples, hexSamples, jsonSamples, textSamples } from './samples.ts'

/** A decoder, valid inputs for it, and the errors that it may throw. */
export interface EntryPoint {
  readonly name: string
  decode(bytes: Uint8Array): unknown
  /** Valid inputs, most of which decode. */
  samples(): Uint8Array[]
  /** Besides DecodeError. */
  readonly errors?: readonly (new (
    ...args: never[]
  ) => Error)[]
}

type Samples = () => Uint8Array[]

const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

function binary<T, C>(name: string, codec: Codec<T, C>, samples: Samples, context?: C): EntryPoint {
  return { name, samples, decode: (bytes) => decode(codec, bytes, context as C) }
}

function text(name: string, parse: (text: string) => unknown, samples: Samples): EntryPoint {
  return { name, samples, decode: (bytes) => parse(asText(bytes)) }
}

const SMP_VERSIONS_WITH_OWN_LAYOUTS = [6, 7, 9, 12, 15, 16, 17, 18]
const SESSION_ID = new Uint8Array(32).fill(1)

const smpSamples = (kind: string, version: number) =>
  hexSamples('sx-smp', ['hex'], (entry) => entry.kind === kind && Number(entry.v ?? 18) <= version)
const commands = () => smpSamples('command', 18)
const responses = () => hexSamples('sx-smp', ['hex'], (entry) => entry.kind !== 'command' && entry.kind !== undefined)
const transmissions = () => hexSamples('sx-transmission', ['transmission', 'tToSend'])
const batches = () => hexSamples('sx-transmission', ['batch1', 'batch3'])
const clientMessages = () => hexSamples('sx-smp', ['hex'], (entry) => entry.kind === undefined)
const serverHellos = () => hexSamples('sx-handshake', ['serverHello'])
const errorSamples = () =>
  responses().flatMap((bytes) => (latin1('ERR ').every((b, i) => bytes[i] === b) ? [bytes.subarray(4)] : []))

const sharedSecret = new Uint8Array(32).fill(7)
const ratchetSamples = (...keys: string[]) => hexSamples('sx-ratchet', keys)
/** Link data as it is decoded: behind the length and the 64 bytes of the signature. */
const signedData = (key: string) => hexSamples('sx-shortlink', [key]).map((bytes) => bytes.subarray(65))

const blockCipher = (side: 'client' | 'server') => BlockCipher.create(SESSION_ID, sharedSecret, side)
// The state of the first conversation's receiver, before its first message.
const [firstConversation] = jsonSamples('sx-ratchet', 'alice0')
const ratchet = parseRatchet(asText(firstConversation))
const [serverHello] = serverHellos().map(decodeServerHello)
const certificates = serverHello?.authentication?.certificates ?? []
const leafKey = validateChain(certificates).leafKey
const signedSessionKey = serverHello?.authentication?.signedKey ?? new Uint8Array(0)

/** A field of the contact link in the vectors. */
function contactLink(key: string): Uint8Array {
  const [bytes] = hexSamples('sx-shortlink', [key])
  if (!bytes) throw new Error(`no ${key}`)
  return bytes
}
const contactLinkKey = contactLink('linkKey')

const [sessionKey = new Uint8Array(0)] = hexSamples('sx-smp', ['x25519b_pub'])
const headers = (version: number) => [
  encode(messageHeaderCodec, { maxVersion: 3, dhKey: ratchetKey, previousSndCount: 1, number: 2 }, { version }),
]
const ratchetKey = new PublicKey('x448', new Uint8Array(56).fill(5))

const core: EntryPoint[] = [
  text(
    'core: base64url',
    (input) => fromBase64url(input),
    () => textSamples('sx-encoding', ['str']),
  ),
  text(
    'core: version range',
    (input) => versionRangeFromText(input),
    () => ['1-4', '2', '6-18'].map(latin1),
  ),
  { name: 'core: padding', decode: unpad, samples: () => hexSamples('sx-crypto', ['padded']) },
  binary('core: public key', publicKeyCodec, () =>
    hexSamples('sx-smp', ['pubSPKI', 'ed448pub', 'x25519b_pub']).map((spki) => Uint8Array.of(spki.length, ...spki)),
  ),
  {
    name: 'core: primitive encodings',
    samples: () => [latin1('1\x02\x01a\x01b\x02hi\0\0\0\0\0\0\0\x01\0\x02xyTword tail')],
    decode(bytes) {
      const reader = new ByteReader(bytes)
      const list = reader.maybe((r) => r.list((item) => item.shortString()))
      return [list, reader.text(), reader.int64(), reader.large(), reader.bool(), reader.word(), reader.tail()]
    },
  },
  { name: 'core: certificate', decode: readCertificate, samples: () => [...certificates] },
  {
    name: 'core: certificate chain',
    errors: [CertificateError],
    samples: () => [...certificates],
    decode: (bytes) => validateChain([bytes, ...certificates.slice(1)]),
  },
  {
    name: 'core: signed session key',
    errors: [CryptoError],
    samples: () => [signedSessionKey],
    decode: (bytes) => verifySignedKey(bytes, leafKey),
  },
  {
    name: 'core: box',
    errors: [CryptoError],
    samples: () => [sealBox(sharedSecret, new Uint8Array(24), latin1('hello'), 64)],
    decode: (bytes) => openBox(sharedSecret, new Uint8Array(24), bytes),
  },
  {
    name: 'core: encrypted block',
    errors: [CryptoError, TransportError],
    samples: () => [blockCipher('server').encrypt(latin1('hello'))],
    decode: (bytes) => blockCipher('client').decrypt(bytes),
  },
]

const smp: EntryPoint[] = [
  ...SMP_VERSIONS_WITH_OWN_LAYOUTS.flatMap((version) => [
    binary(`smp: command v${version}`, commandCodec, commands, { version }),
    binary(`smp: message v${version}`, brokerMessageCodec, responses, { version }),
    {
      name: `smp: transmission v${version}`,
      samples: transmissions,
      decode: (bytes: Uint8Array) => parseTransmission(bytes, version),
    },
    {
      name: `smp: block of commands v${version}`,
      samples: batches,
      decode: (bytes: Uint8Array) => decodeCommandBlock(bytes, { version, sessionId: SESSION_ID }),
    },
    {
      name: `smp: block of messages v${version}`,
      samples: batches,
      decode: (bytes: Uint8Array) => decodeBrokerBlock(bytes, { version, sessionId: SESSION_ID }),
    },
  ]),
  { name: 'smp: batch', decode: decodeBatch, samples: batches },
  { name: 'smp: server hello', decode: decodeServerHello, samples: serverHellos },
  { name: 'smp: client hello', decode: decodeClientHello, samples: () => hexSamples('sx-handshake', ['clientHello']) },
  {
    name: 'smp: service response',
    decode: decodeServiceResponse,
    samples: () => [latin1(`R\x18${'s'.repeat(24)}`), latin1('EHANDSHAKE BAD_SERVICE'), latin1('EBLOCK')],
  },
  binary('smp: error', smpErrorCodec, errorSamples),
  text('smp: error as text', parseSmpError, errorSamples),
  text('smp: proxy error as text', parseProxyError, () =>
    ['PROTOCOL AUTH', 'BROKER NETWORK', 'NO_SESSION'].map(latin1),
  ),
  binary('smp: queue info', queueInfoCodec, () => [
    latin1('{"qiSnd":true,"qiNtf":false,"qiSub":{"qSubThread":"noSub","qDelivered":"AAAA"},"qiSize":3}'),
  ]),
  binary('smp: client message', clientMessageCodec, clientMessages),
  binary('smp: client message envelope', clientMessageEnvelopeCodec, clientMessages),
  binary('smp: received message body', rcvMessageBodyCodec, () => [
    latin1('\0\0\0\0\x65\0\0\0T body'),
    latin1('QUOTA \0\0\0\0\x65\0\0\0'),
  ]),
  binary('smp: notification meta', notificationMetaCodec, () => [latin1(`\x18${'m'.repeat(24)}\0\0\0\0\x65\0\0\0`)]),
  binary('smp: forwarded transmission', forwardedTransmissionCodec, () => [
    Uint8Array.of(24, ...new Uint8Array(24), 0, 18, sessionKey.length, ...sessionKey, 1, 2, 3),
  ]),
  binary('smp: forwarded response', forwardedResponseCodec, () => [Uint8Array.of(24, ...new Uint8Array(24), 1)]),
  binary('smp: server', smpServerCodec, () => hexSamples('sx-uris', ['smp'], (entry) => 'printed' in entry)),
  text('smp: server address', parseServerAddress, () => textSamples('sx-uris', ['printed', 'uri'])),
]

const uriTexts = () => textSamples('sx-uris', ['uri', 'str'])
const uriBytes = () => hexSamples('sx-uris', ['smp'])

const agent: EntryPoint[] = [
  text('agent: connection link', parseConnectionLink, uriTexts),
  text('agent: connection request', parseConnectionRequest, uriTexts),
  text('agent: queue URI', parseQueueUri, uriTexts),
  text('agent: short link', parseShortLink, uriTexts),
  text('agent: key agreement parameters as text', parseE2eParamsUri, uriTexts),
  binary('agent: connection request, binary', connectionRequestCodec, uriBytes),
  binary('agent: queue URI, binary', smpQueueUriCodec, uriBytes),
  binary('agent: short link, binary', shortLinkCodec, uriBytes),
  binary('agent: key agreement parameters of a link', e2eParamsUriCodec, uriBytes),
  binary('agent: key agreement parameters', e2eParamsCodec, () =>
    hexSamples('sx-ratchet', ['aliceParams', 'bobParams']),
  ),
  binary('agent: queue information', smpQueueInfoCodec, uriBytes),
  binary('agent: fixed link data', fixedLinkDataCodec, () => signedData('signedFixedData')),
  binary('agent: user link data', linkUserDataCodec, () => signedData('signedUserData')),
  binary('agent: link owner', ownerAuthCodec, () => hexSamples('sx-shortlink', ['smp'])),
  {
    name: 'agent: encrypted link data',
    errors: [AgentError],
    samples: () => [Buffer.concat([contactLink('encFixedData'), contactLink('encUserData')])],
    decode(bytes) {
      const link = { fixed: bytes.subarray(0, 2048), user: bytes.subarray(2048) }
      return decryptLinkData(contactLinkKey, contactLinkKeys(contactLinkKey).key, link, 'contact')
    },
  },
  binary('agent: envelope', agentEnvelopeCodec, () => hexSamples('sx-agent', ['hex'])),
  binary('agent: message', agentMessageCodec, () => hexSamples('sx-agent', ['hex'])),
  binary('agent: content of a message', aMessageCodec, () => hexSamples('sx-agent', ['hex'])),
  ...[2, 3].map((version) =>
    binary(`agent: ratchet message header v${version}`, messageHeaderCodec, () => headers(version), { version }),
  ),
  binary('agent: encrypted ratchet header', encryptedHeaderCodec, () => ratchetSamples('encHeader')),
  binary('agent: ratchet message', encryptedMessageCodec, () => ratchetSamples('cipher'), { version: 3 }),
  {
    name: 'agent: ratchet decryption',
    errors: [RatchetError, CryptoError],
    samples: () => ratchetSamples('cipher').slice(0, 40),
    decode: (bytes) => openMessage(ratchet, new SkippedKeyMap(), bytes),
  },
  text('agent: stored ratchet', parseRatchet, () => jsonSamples('sx-ratchet', 'alice0', 'bob0')),
]

const peerKey = new PeerKey(new Uint8Array(32).fill(1))

const parley: EntryPoint[] = [
  { name: 'parley: contact card', decode: decodeContactCard, samples: () => cardSamples('card') },
  { name: 'parley: signed card', decode: decodeSignedCard, samples: () => cardSamples('signedCard') },
  { name: 'parley: link binding', decode: decodeLinkBinding, samples: () => cardSamples('linkBinding') },
  {
    name: 'parley: channel request',
    decode: decodeChannelRequest,
    samples: () => [
      encodeChannelRequest({
        signedCard: new Uint8Array(300).fill(1),
        signature: new Uint8Array(64).fill(2),
        issuedAt: 1_800_000_000_000,
      }),
    ],
  },
  {
    name: 'parley: channel message',
    decode: decodeChannelMessage,
    samples: () => {
      const id = new Uint8Array(16).fill(1)
      const bytes = new Uint8Array(50).fill(2)
      const digest = new Uint8Array(32).fill(3)
      const ack = { stored: 300, taken: 200, refused: [{ seq: 199, status: 7 }] }
      const names = { own: 'fetch1', peer: '0x1', signature: new Uint8Array(64) }
      return [
        encodeChannelMessage({ hello: { role: 1, ...names, signedCard: bytes } }),
        encodeChannelMessage({ ack, resend: 5, close: 'moved' }),
        encodeChannelMessage({
          number: 9,
          ack,
          frames: [
            { type: 'whole', seq: 1, id, bytes },
            { type: 'gone', seq: 2 },
            { type: 'first', seq: 3, id, bytes, total: 100, digest },
            { type: 'part', seq: 3, bytes, offset: 50 },
          ],
        }),
      ]
    },
  },
  {
    name: 'parley: message about cards',
    decode: decodeCardMessage,
    samples: () => [
      encodeCardMessage({ type: 'request', address: 'fetch1' }),
      encodeCardMessage({ type: 'relay', peerId: peerKey.peerId, sealed: new Uint8Array(512) }),
      encodeCardMessage({ type: 'answer', cards: cardSamples('signedCard').slice(0, 2) }),
    ],
  },
  {
    name: 'parley: sealed question',
    decode: (bytes) => openQuestion(peerKey, bytes),
    samples: () => [sealQuestion(peerKey.publicKey, latin1('question')).sealed],
  },
  {
    name: 'parley: JSON line',
    errors: [BadRequest],
    samples: () => [latin1('{"id":1,"cmd":"sendMessage","connId":"AAAA","text":"hello"}')],
    decode: (bytes) => parseRequest(asText(bytes)),
  },
]

/** All of them. */
export const ENTRY_POINTS: readonly EntryPoint[] = [...core, ...smp, ...agent, ...parley]

/** True for an error that the entry point may throw. */
export function isTyped(error: unknown, { errors = [] }: EntryPoint): boolean {
  return error instanceof DecodeError || errors.some((type) => error instanceof type)
}
