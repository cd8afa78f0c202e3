import type {
  ConnectionRequest,
  ContactShortLink,
  InvitationRequest,
  LinkUserData,
  OwnerAuth,
  QueueRef,
  ShortLink,
  SmpQueueInfo,
  SmpQueueUri,
} from '@parley/agent/links'
import type { E2eParams, E2eParamsUri, KemParams } from '@parley/agent/ratchet'
import {
  type KeyAlgorithm,
  PrivateKey,
  type PublicKey,
  SNTRUP761_CIPHERTEXT_LENGTH,
  SNTRUP761_PUBLIC_KEY_LENGTH,
} from '@parley/core/crypto'
import type { VersionRange } from '@parley/core/version'
import type { QueueMode, SmpServer } from '@parley/smp/protocol'
import fc from 'fast-check'

/** Random values of the types of links and messages. Optional fields are absent or set, never undefined. */

export function bytes(minLength: number, maxLength = minLength): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength, maxLength })
}

/** Any bytes that look like a public key: what they encode does not matter to codecs. */
export function publicKey<A extends KeyAlgorithm>(algorithm: A): fc.Arbitrary<PublicKey<A>> {
  const keys = Array.from({ length: 4 }, () => PrivateKey.generate(algorithm).publicKey)
  return fc.constantFrom(...keys)
}

const dhKey = publicKey('x25519')
const x448Key = publicKey('x448')
const ed25519Key = publicKey('ed25519')
const optional: { requiredKeys: [] } = { requiredKeys: [] }

export const versionRange: fc.Arbitrary<VersionRange> = fc
  .tuple(fc.nat(12), fc.nat(12))
  .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))

const host = fc.constantFrom(
  ...['smp.example.org', 'smp8.simplex.im', '127.0.0.1', '::1', 'localhost', 'xn--nxasmq6b.example'],
  'beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion',
)

export const server: fc.Arbitrary<SmpServer> = fc.record({
  hosts: fc.tuple(host, fc.array(host, { maxLength: 2 })).map(([first, rest]) => [first, ...rest] as const),
  port: fc.constantFrom('', '5223', '443', '1', '65535'),
  keyHash: bytes(32),
})

export const queueRef: fc.Arbitrary<QueueRef> = fc.record({ server, senderId: bytes(1, 24) })

const mode = fc.record({ mode: fc.constantFrom<QueueMode>('messaging', 'contact') }, optional)
const address = fc.record({ server, senderId: bytes(1, 24), dhKey })

/** For ranges in whose text and binary forms everything is kept. */
export const queueUri: fc.Arbitrary<SmpQueueUri> = fc
  .tuple(address, fc.record({ mode: fc.constantFrom<QueueMode>('messaging', 'contact') }), fc.nat(3), fc.nat(3))
  .map(([queue, kind, a, b]) => ({ ...queue, ...kind, versions: { min: 4 + Math.min(a, b), max: 4 + Math.max(a, b) } }))

/** Of any range; what the range cannot say is lost in its binary form. */
export const anyQueueUri: fc.Arbitrary<SmpQueueUri> = fc
  .tuple(address, mode, versionRange)
  .map(([queue, kind, versions]) => ({ ...queue, ...kind, versions }))

export const queueInfo: fc.Arbitrary<SmpQueueInfo> = fc
  .tuple(
    address,
    fc.record({ mode: fc.constantFrom<QueueMode>('messaging', 'contact') }),
    fc.integer({ min: 4, max: 9 }),
  )
  .map(([queue, kind, version]) => ({ ...queue, ...kind, version }))

export const anyQueueInfo: fc.Arbitrary<SmpQueueInfo> = fc
  .tuple(address, mode, fc.nat(6))
  .map(([queue, kind, version]) => ({ ...queue, ...kind, version }))

const kemKey = bytes(SNTRUP761_PUBLIC_KEY_LENGTH)

const proposedKem: fc.Arbitrary<KemParams> = fc.record({ type: fc.constant('proposed'), publicKey: kemKey })

export const kemParams: fc.Arbitrary<KemParams> = fc.oneof(
  proposedKem,
  fc.record({
    type: fc.constant('accepted' as const),
    ciphertext: bytes(SNTRUP761_CIPHERTEXT_LENGTH),
    publicKey: kemKey,
  }),
)

function withOptionalKem<T extends object>(base: fc.Arbitrary<T>, kem: fc.Arbitrary<KemParams>) {
  return fc.tuple(base, fc.record({ kem }, optional)).map(([params, part]) => ({ ...params, ...part }))
}

export const e2eParams: fc.Arbitrary<E2eParams> = fc.oneof(
  withOptionalKem(fc.record({ version: fc.integer({ min: 3, max: 9 }), key1: x448Key, key2: x448Key }), kemParams),
  fc.record({ version: fc.constantFrom(1, 2), key1: x448Key, key2: x448Key }),
)

/** As the messages that agree a ratchet anew may hold them: without a ciphertext. */
export const proposedE2eParams: fc.Arbitrary<E2eParams> = withOptionalKem(
  fc.record({ version: fc.integer({ min: 3, max: 9 }), key1: x448Key, key2: x448Key }),
  proposedKem,
)

const e2eRange = fc.record({ min: fc.constantFrom(2, 3), max: fc.constantFrom(3, 4) })

export const e2eParamsUri: fc.Arbitrary<E2eParamsUri> = withOptionalKem(
  fc.record({ versions: e2eRange, key1: x448Key, key2: x448Key }),
  kemParams,
)

const invitationParams: fc.Arbitrary<E2eParamsUri> = withOptionalKem(
  fc.record({ versions: e2eRange, key1: x448Key, key2: x448Key }),
  proposedKem,
)

const agentVersions = fc.record({ min: fc.constantFrom(2, 3), max: fc.constantFrom(3, 7) })

const requestData = fc
  .tuple(
    fc.record({
      agentVersions,
      queues: fc.tuple(queueUri, fc.array(queueUri, { maxLength: 2 })).map(([a, rest]) => [a, ...rest] as const),
    }),
    fc.record({ clientData: fc.string({ maxLength: 40, unit: 'grapheme' }) }, optional),
  )
  .map(([data, client]) => ({ ...data, ...client }))

export const invitationRequest: fc.Arbitrary<InvitationRequest> = fc
  .tuple(requestData, invitationParams)
  .map(([data, params]) => ({ mode: 'invitation', ...data, e2eParams: params }))

export const connectionRequest: fc.Arbitrary<ConnectionRequest> = fc.oneof(
  invitationRequest,
  requestData.map((data) => ({ mode: 'contact' as const, ...data })),
)

const linkServer = fc.oneof(
  server,
  host.map((name) => ({ hosts: [name] as const, port: '', keyHash: new Uint8Array() })),
)
const linkBase = {
  scheme: fc.constantFrom('https' as const, 'simplex' as const),
  server: linkServer,
  linkKey: bytes(32),
}

export const contactShortLink: fc.Arbitrary<ContactShortLink> = fc.record({
  ...linkBase,
  mode: fc.constant('contact'),
  contactType: fc.constantFrom('contact', 'channel', 'group', 'relay'),
})

export const shortLink: fc.Arbitrary<ShortLink> = fc.oneof(
  contactShortLink,
  fc.record({ ...linkBase, mode: fc.constant('invitation' as const), linkId: bytes(24) }),
)

const ownerAuth: fc.Arbitrary<OwnerAuth> = fc.record({
  ownerId: bytes(0, 24),
  ownerKey: ed25519Key,
  signature: bytes(64),
})

const userData = fc.oneof(bytes(0, 300), bytes(253, 257))

export const linkUserData: fc.Arbitrary<LinkUserData> = fc.oneof(
  fc.record({ mode: fc.constant('invitation' as const), agentVersions, userData }),
  fc.record({
    mode: fc.constant('contact' as const),
    agentVersions,
    direct: fc.boolean(),
    owners: fc.array(ownerAuth, { maxLength: 3 }),
    // The binary form does not say how a link is written.
    relays: fc.array(
      contactShortLink.map((link) => ({ ...link, scheme: 'https' as const })),
      { maxLength: 2 },
    ),
    userData,
  }),
)
