import {
  AUTHENTICATOR_LENGTH,
  authenticate,
  CryptoError,
  type PrivateKey,
  PublicKey,
  type SignatureAlgorithm,
  sign,
  verify,
  verifyAuthenticator,
} from '@parley/core/crypto'
import { concatBytes } from '@parley/core/encoding'
import type { AuthKey, DhKey } from './types.ts'

/** A private key that authorises commands. */
export type AuthPrivateKey = PrivateKey<SignatureAlgorithm | 'x25519'>

/** What a command carries to prove that its sender may give it: `spec/smp.md §2.4`. */
export interface Authorization {
  /** Signature with Ed25519 (64 bytes) or Ed448 (114), or X25519 authenticator (80). */
  readonly authenticator: Uint8Array
  /** 64 bytes, from version 16: Ed25519 signature with the session key of a service. */
  readonly serviceSignature?: Uint8Array
}

/** What a service adds to the commands that it gives: `spec/smp.md §2.4`. */
export interface ServiceSigner {
  /** 32 bytes: SHA-256 of the service's identity certificate. */
  readonly fingerprint: Uint8Array
  readonly sessionKey: PrivateKey<'ed25519'>
}

/** The kind of key that an authenticator of this length belongs to; undefined for lengths that none has. */
export function authenticatorAlgorithm(authenticator: Uint8Array): AuthKey['algorithm'] | undefined {
  switch (authenticator.length) {
    case 64:
      return 'ed25519'
    case 114:
      return 'ed448'
    case AUTHENTICATOR_LENGTH:
      return 'x25519'
    default:
      return undefined
  }
}

interface AuthorizeParameters {
  /** The authorised bytes of the transmission, with the session id. */
  readonly authorized: Uint8Array
  /** 24 bytes; the nonce of X25519 authenticators. */
  readonly corrId: Uint8Array
  /** The router's session key (the one of PKEY for forwarded commands); needed for X25519 keys only. */
  readonly serverKey?: DhKey | undefined
  readonly service?: ServiceSigner | undefined
}

/**
 * Authorises a command with the key of its entity and, in a service session, with the service's own.
 * @throws CryptoError INVALID_KEY for an X25519 key when the router gave no session key, or a low order one
 */
export function authorize(
  key: AuthPrivateKey,
  { authorized, corrId, serverKey, service }: AuthorizeParameters,
): Authorization {
  const signed = service ? concatBytes(service.fingerprint, authorized) : authorized
  const authenticator = makeAuthenticator(key, signed, corrId, serverKey)
  return service ? { authenticator, serviceSignature: sign(service.sessionKey, authorized) } : { authenticator }
}

function makeAuthenticator(
  key: AuthPrivateKey,
  signed: Uint8Array,
  corrId: Uint8Array,
  serverKey: DhKey | undefined,
): Uint8Array {
  if (!key.is('x25519')) return sign(key as PrivateKey<SignatureAlgorithm>, signed)
  if (!serverKey) throw new CryptoError('INVALID_KEY', 'the router gave no key to authorise commands with')
  return authenticate(key, serverKey, corrId, signed)
}

const dummyKey = <A extends AuthKey['algorithm']>(algorithm: A, raw: string): PublicKey<A> =>
  new PublicKey(algorithm, Buffer.from(raw, 'hex'))

/** Public keys of discarded secrets. A check against one of them takes as long as a check against the key of a queue. */
const DUMMY_KEYS: { readonly [A in AuthKey['algorithm']]: PublicKey<A> } = {
  ed25519: dummyKey('ed25519', 'cb42bd22d947a754cb5e28f4ab5c3b89c9df873d86a3eba94d03d9f4acadbdf8'),
  ed448: dummyKey(
    'ed448',
    '574315b9b5f7bfe106c114232cc7beb700f8ee7c948a03a049ea9ac06a6ca9f137c977b172724def585d44f9ebd9811264a78d6ae839e51200',
  ),
  x25519: dummyKey('x25519', 'ecec8e0123539525752a31c717bc84e546918d361553c872c9713c0eca441c71'),
}

interface VerifyParameters {
  readonly authorized: Uint8Array
  readonly corrId: Uint8Array
  /** The router's session key; without it no X25519 authenticator is valid. */
  readonly sessionKey?: PrivateKey<'x25519'> | undefined
  /** 32 bytes: of the service of this session; used when the authorisation has a service signature. */
  readonly serviceFingerprint?: Uint8Array | undefined
}

/**
 * True when the authorisation was made with one of the keys. Where there is no key of its kind, for instance because
 * the queue does not exist (pass no keys), it is checked against a dummy key, so that the answer takes equally long.
 * The service signature is checked by {@link verifyServiceSignature}. Never throws.
 */
export function verifyAuthorization(
  authorization: Authorization | undefined,
  keys: readonly AuthKey[],
  { authorized, corrId, sessionKey, serviceFingerprint }: VerifyParameters,
): boolean {
  const algorithm = authorization && authenticatorAlgorithm(authorization.authenticator)
  if (authorization === undefined || algorithm === undefined) return false
  const { authenticator, serviceSignature } = authorization
  const signed = serviceSignature && serviceFingerprint ? concatBytes(serviceFingerprint, authorized) : authorized
  const check = (key: AuthKey): boolean => {
    if (!key.is('x25519')) return verify(key as PublicKey<SignatureAlgorithm>, signed, authenticator)
    return sessionKey !== undefined && verifyAuthenticator(sessionKey, key, corrId, signed, authenticator)
  }
  const candidates = keys.filter((key) => key.algorithm === algorithm)
  if (candidates.length > 0) return candidates.some(check)
  check(DUMMY_KEYS[algorithm])
  return false
}

/** True when the authorisation has a signature of the authorised bytes with the service's session key. */
export function verifyServiceSignature(
  { serviceSignature }: Authorization,
  serviceKey: PublicKey<'ed25519'>,
  authorized: Uint8Array,
): boolean {
  return serviceSignature !== undefined && verify(serviceKey, authorized, serviceSignature)
}
