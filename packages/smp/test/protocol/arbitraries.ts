import { PublicKey } from '@parley/core/crypto'
import {
  type AuthKey,
  type BrokerMessage,
  type Command,
  type DhKey,
  isPassword,
  type QueueInfo,
  type SmpErrorType,
  type SmpServer,
} from '@parley/smp/protocol'
import fc from 'fast-check'

/** Any agreed version. */
export const version = fc.integer({ min: 6, max: 18 })

export const bytes = (constraints: fc.IntArrayConstraints = {}): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ maxLength: 300, ...constraints })

/** What short strings can hold. */
export const shortBytes = bytes({ maxLength: 255 })

/** An id of any length that is read. */
export const entityId = fc.oneof(bytes({ minLength: 24, maxLength: 24 }), shortBytes)

const rawKey = (length: number) => bytes({ minLength: length, maxLength: length })

export const dhKey: fc.Arbitrary<DhKey> = rawKey(32).map((raw) => new PublicKey('x25519', raw))

export const authKey: fc.Arbitrary<AuthKey> = fc.oneof(
  dhKey,
  rawKey(32).map((raw) => new PublicKey('ed25519', raw)),
  rawKey(57).map((raw) => new PublicKey('ed448', raw)),
)

export const password = fc.string({ maxLength: 40, unit: 'grapheme' }).filter(isPassword)

const link = fc.record({ fixed: bytes(), user: bytes({ maxLength: 2000 }) })

const requiredKeys = <K extends string>(...keys: K[]): { requiredKeys: K[] } => ({ requiredKeys: keys })

const queueRequest = fc.oneof(
  fc.record(
    { mode: fc.constant('messaging' as const), data: fc.record({ senderId: entityId, link }) },
    requiredKeys('mode'),
  ),
  fc.record(
    { mode: fc.constant('contact' as const), data: fc.record({ linkId: entityId, senderId: entityId, link }) },
    requiredKeys('mode'),
  ),
)

const notifier = fc.record({ ntfKey: authKey, ntfDhKey: dhKey })

const octet = fc.integer({ min: 0, max: 255 })
const ipv4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'))
const ipv6 = fc.constantFrom('::1', '2001:db8::1', 'fe80::1:2:3', '1:2:3:4:5:6:7:8')
const onion = fc.stringMatching(/^[a-z2-7]{16}$/).map((name) => `${name}.onion`)
const domain = fc.constantFrom('smp.simplex.im', 'localhost', 'a-b.example.org', 'dead.beef', '1.2.3')

/** A host in its canonical form. */
export const host = fc.oneof(ipv4, ipv6, onion, domain)

export const server: fc.Arbitrary<SmpServer> = fc.record({
  hosts: fc.array(host, { minLength: 1, maxLength: 4 }).map((hosts) => hosts as [string, ...string[]]),
  port: fc.oneof(fc.constant(''), fc.integer({ min: 0, max: 65535 }).map(String)),
  keyHash: bytes({ minLength: 1, maxLength: 40 }),
})

const tagged = <T extends string>(type: T) => fc.constant(type)

export const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record(
    {
      type: tagged('NEW'),
      rcvAuthKey: authKey,
      rcvDhKey: dhKey,
      password,
      subscribe: fc.boolean(),
      queueRequest,
      notifier,
    },
    requiredKeys('type', 'rcvAuthKey', 'rcvDhKey', 'subscribe'),
  ),
  fc.record({
    type: fc.constantFrom('SUB', 'SUBS', 'LDEL', 'NDEL', 'GET', 'OFF', 'DEL', 'QUE', 'PING', 'LGET', 'NSUB', 'NSUBS'),
  }),
  fc.record({ type: fc.constantFrom('KEY', 'SKEY', 'LKEY'), sndAuthKey: authKey }),
  fc.record({
    type: tagged('RKEY'),
    rcvAuthKeys: fc.array(authKey, { minLength: 1, maxLength: 4 }).map((keys) => keys as [AuthKey, ...AuthKey[]]),
  }),
  fc.record({ type: tagged('LSET'), linkId: entityId, link }),
  fc.record({ type: tagged('NKEY'), notifier }),
  fc.record({ type: tagged('ACK'), msgId: entityId }),
  fc.record({ type: tagged('SEND'), notification: fc.boolean(), body: bytes() }),
  fc.record({ type: tagged('PRXY'), server, password }, requiredKeys('type', 'server')),
  fc.record({
    type: tagged('PFWD'),
    version: fc.integer({ min: 0, max: 65535 }),
    commandKey: dhKey,
    encrypted: bytes(),
  }),
  fc.record({ type: tagged('RFWD'), encrypted: bytes() }),
)

/** Explanations survive the wire in one byte a character. */
const latin1 = fc.array(octet, { maxLength: 60 }).map((codes) => String.fromCharCode(...codes))

const wellFormed = fc.string({ maxLength: 60, unit: 'grapheme' })

const transportError = fc.oneof(
  fc.record({ type: fc.constantFrom('BLOCK', 'VERSION', 'LARGE_MSG', 'SESSION', 'NO_AUTH') }),
  fc.record({
    type: tagged('HANDSHAKE'),
    error: fc.constantFrom('PARSE', 'IDENTITY', 'BAD_AUTH', 'BAD_SERVICE'),
  }),
)

/** Any error of the protocol, with explanations from `detail`. The cause of NETWORK is not sent, so it has none. */
const errorWith = (detail: fc.Arbitrary<string>): fc.Arbitrary<SmpErrorType> =>
  fc.letrec<{ error: SmpErrorType }>((tie) => ({
    error: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record({
        type: fc.constantFrom(
          ...(['BLOCK', 'SESSION', 'AUTH', 'SERVICE', 'CRYPTO', 'QUOTA'] as const),
          ...(['NO_MSG', 'LARGE_MSG', 'EXPIRED', 'INTERNAL', 'DUPLICATE_'] as const),
        ),
      }),
      fc.record({
        type: tagged('CMD'),
        error: fc.constantFrom('UNKNOWN', 'SYNTAX', 'PROHIBITED', 'NO_AUTH', 'HAS_AUTH', 'NO_ENTITY'),
      }),
      fc.record(
        {
          type: tagged('BLOCKED'),
          reason: fc.constantFrom('spam', 'content'),
          noticeTtl: fc.oneof(fc.constant(null), fc.maxSafeInteger()),
        },
        requiredKeys('type', 'reason'),
      ),
      fc.record({ type: tagged('STORE'), detail: wellFormed }),
      fc.record({
        type: tagged('PROXY'),
        error: fc.oneof(
          fc.record({ type: fc.constantFrom('BASIC_AUTH', 'NO_SESSION') }),
          fc.record({ type: tagged('PROTOCOL'), error: tie('error') }),
          fc.record({
            type: tagged('BROKER'),
            error: fc.oneof(
              fc.record({ type: fc.constantFrom('TIMEOUT', 'HOST', 'NO_SERVICE', 'NETWORK') }),
              fc.record({ type: fc.constantFrom('RESPONSE', 'UNEXPECTED'), detail }),
              fc.record({ type: tagged('TRANSPORT'), error: transportError }),
            ),
          }),
        ),
      }),
    ),
  })).error

/** Errors as they are sent. */
export const smpError = errorWith(latin1)
/** Errors as text. */
export const smpErrorInText = errorWith(wellFormed)

/** What `QUE` answers. */
export const queueInfo: fc.Arbitrary<QueueInfo> = fc.record(
  {
    qiSnd: fc.boolean(),
    qiNtf: fc.boolean(),
    qiSub: fc.record(
      {
        qSubThread: fc.constantFrom('noSub', 'subPending', 'subThread', 'prohibitSub'),
        qDelivered: wellFormed,
      },
      requiredKeys('qSubThread'),
    ),
    qiSize: fc.nat(),
    qiMsg: fc.record({
      msgId: wellFormed,
      msgTs: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      msgType: fc.constantFrom('message', 'quota'),
    }),
  },
  requiredKeys('qiSnd', 'qiNtf', 'qiSize'),
)

export const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

/** One or more certificates; codecs do not look into them. */
export const certificates = fc
  .array(bytes(), { minLength: 1, maxLength: 4 })
  .map((chain) => chain as [Uint8Array, ...Uint8Array[]])

export const versionRange = fc
  .tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 65535 }))
  .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))

export const brokerMessage: fc.Arbitrary<BrokerMessage> = fc.oneof(
  fc.record(
    {
      type: tagged('IDS'),
      rcvId: entityId,
      sndId: entityId,
      rcvPublicDhKey: dhKey,
      queueMode: fc.constantFrom('messaging', 'contact'),
      linkId: entityId,
      serviceId: entityId,
      notifier: fc.record({ notifierId: entityId, ntfDhKey: dhKey }),
    },
    requiredKeys('type', 'rcvId', 'sndId', 'rcvPublicDhKey'),
  ),
  fc.record({ type: tagged('LNK'), sndId: entityId, link }),
  fc.record({ type: tagged('SOK'), serviceId: entityId }, requiredKeys('type')),
  fc.record({ type: fc.constantFrom('SOKS', 'ENDS'), count: int64 }),
  fc.record({ type: tagged('MSG'), msgId: entityId, encrypted: bytes() }),
  fc.record({ type: tagged('NID'), notifierId: entityId, ntfDhKey: dhKey }),
  fc.record({ type: tagged('NMSG'), nonce: rawKey(24), encrypted: shortBytes }),
  fc.record({
    type: tagged('PKEY'),
    sessionId: shortBytes,
    versions: versionRange,
    certificates,
    signedKey: bytes(),
  }),
  fc.record({ type: fc.constantFrom('PRES', 'RRES'), encrypted: bytes() }),
  fc.record({ type: fc.constantFrom('END', 'DELD', 'OK', 'PONG') }),
  fc.record({ type: tagged('INFO'), info: queueInfo }),
  fc.record({ type: tagged('ERR'), error: smpError }),
)
