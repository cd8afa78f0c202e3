import { CryptoError, type DhAlgorithm, type KemKeyPair, type PrivateKey } from '@parley/core/crypto'
import { concatBytes } from '@parley/core/encoding'
import { peerDh, x3dhKdf } from './kdf.ts'
import { type E2eParams, KEM_E2E_VERSION, type PrivateKemParams } from './params.ts'
import type { RatchetRandom } from './random.ts'
import { RatchetError } from './ratchet-error.ts'
import type { KemAccepted } from './state.ts'

/** Private keys behind sent {@link E2eParams}, to be stored before these are sent. */
export interface X3dhKeys {
  readonly key1: PrivateKey<DhAlgorithm>
  readonly key2: PrivateKey<DhAlgorithm>
  readonly kem?: PrivateKemParams
}

/** Keys and the parameters made of them. */
export interface GeneratedE2eParams {
  readonly keys: X3dhKeys
  readonly params: E2eParams
}

/** What both sides start their ratchets from: `spec/pqdr.md §3.1`. */
export interface X3dhResult {
  /** Raw first keys of joiner and initiator. */
  readonly associatedData: Uint8Array
  /** Initial root key (sk). */
  readonly rootKey: Uint8Array
  /** Joiner's first sending header key (hk). */
  readonly sndHeaderKey: Uint8Array
  /** Joiner's next receiving header key (nhk). */
  readonly rcvNextHeaderKey: Uint8Array
  /** Own KEM key pair that goes on into the ratchet. */
  readonly kemKeyPair?: KemKeyPair
  /** The secret that the joiner encapsulated, when there is one. */
  readonly kemAccepted?: KemAccepted
}

/** What {@link generateRcvE2eParams} and {@link generateSndE2eParams} take. */
export interface GenerateOptions {
  readonly version: number
  /** Whether the post-quantum KEM is wanted; it needs version 3. */
  readonly pq: boolean
  /** X448 unless given: the curve of every agent. */
  readonly algorithm?: DhAlgorithm
}

/** Parameters of the initiator: two keys and, for PQ, a proposed KEM key. `spec/pqdr.md §3`. */
export function generateRcvE2eParams(options: GenerateOptions, random: RatchetRandom): GeneratedE2eParams {
  return generate(options, random, (keyPair) => ({ type: 'proposed', keyPair }))
}

/**
 * Parameters of the joiner: for PQ it accepts the KEM key that the initiator proposed, or proposes one itself.
 * @param peer the initiator's parameters
 * @throws RatchetError SYNTAX when the peer's KEM key cannot be used
 */
export function generateSndE2eParams(
  options: GenerateOptions,
  peer: Pick<E2eParams, 'kem'>,
  random: RatchetRandom,
): GeneratedE2eParams {
  return generate(options, random, (keyPair) => {
    if (peer.kem?.type !== 'proposed') return { type: 'proposed', keyPair }
    return { type: 'accepted', ...encapsulate(random.kem, peer.kem.publicKey), keyPair }
  })
}

/** True when {@link generateRcvE2eParams} and {@link generateSndE2eParams} will take a KEM key pair. */
export function e2eParamsNeedKemKeyPair({ version, pq }: GenerateOptions): boolean {
  return pq && version >= KEM_E2E_VERSION
}

/** The public parameters of stored private keys. */
export function e2eParamsOfKeys(keys: X3dhKeys, version: number): E2eParams {
  const params = { version, key1: keys.key1.publicKey, key2: keys.key2.publicKey }
  const { kem } = keys
  if (!kem || version < KEM_E2E_VERSION) return params
  const { publicKey } = kem.keyPair
  if (kem.type === 'proposed') return { ...params, kem: { type: 'proposed', publicKey } }
  return { ...params, kem: { type: 'accepted', ciphertext: kem.ciphertext, publicKey } }
}

/**
 * The joiner's side of the agreement.
 * @param own keys behind the parameters that the joiner sends
 * @param peer the initiator's parameters, of the agreed version
 * @throws RatchetError KEM_STATE when own keys accept a KEM key that the peer did not propose
 */
export function x3dhSnd(own: X3dhKeys, peer: E2eParams): X3dhResult {
  const kem = sndKem(own.kem, peer)
  return agree(
    {
      sndKey: own.key1.publicKey.raw,
      rcvKey: peer.key1.raw,
      secrets: [peerDh(own.key2, peer.key1), peerDh(own.key1, peer.key2), peerDh(own.key2, peer.key2)],
    },
    kem,
  )
}

/**
 * The initiator's side of the agreement.
 * @param own keys behind the parameters that the initiator sent
 * @param peer the joiner's parameters
 * @param random only its KEM is used, to decapsulate
 * @throws RatchetError KEM_STATE when the peer accepts a KEM key that was never proposed
 */
export function x3dhRcv(own: X3dhKeys, peer: E2eParams, random: Pick<RatchetRandom, 'kem'>): X3dhResult {
  const kem = rcvKem(own.kem, peer, random.kem)
  return agree(
    {
      sndKey: peer.key1.raw,
      rcvKey: own.key1.publicKey.raw,
      secrets: [peerDh(own.key1, peer.key2), peerDh(own.key2, peer.key1), peerDh(own.key2, peer.key2)],
    },
    kem,
  )
}

/**
 * Encapsulation to a key of the peer.
 * @throws RatchetError SYNTAX when the key cannot be used
 */
export function encapsulate(
  kem: RatchetRandom['kem'],
  publicKey: Uint8Array,
): { ciphertext: Uint8Array; sharedSecret: Uint8Array } {
  return kemOperation(() => kem.encapsulate(publicKey))
}

/**
 * The secret in a ciphertext of the peer; a wrong ciphertext gives a secret that nobody else has.
 * @throws RatchetError SYNTAX when the ciphertext cannot be used
 */
export function decapsulate(kem: RatchetRandom['kem'], { secretKey }: KemKeyPair, ciphertext: Uint8Array): Uint8Array {
  return kemOperation(() => kem.decapsulate(secretKey, ciphertext))
}

function kemOperation<T>(operation: () => T): T {
  try {
    return operation()
  } catch (cause) {
    if (cause instanceof CryptoError) throw new RatchetError({ code: 'SYNTAX' }, { cause })
    throw cause
  }
}

function generate(
  options: GenerateOptions,
  random: RatchetRandom,
  makeKem: (keyPair: KemKeyPair) => PrivateKemParams,
): GeneratedE2eParams {
  const { version, algorithm = 'x448' } = options
  const key1 = random.dhKey(algorithm)
  const key2 = random.dhKey(algorithm)
  const keys = e2eParamsNeedKemKeyPair(options) ? { key1, key2, kem: makeKem(random.kemKeyPair()) } : { key1, key2 }
  return { keys, params: e2eParamsOfKeys(keys, version) }
}

type Kem = Pick<X3dhResult, 'kemKeyPair' | 'kemAccepted'>

function sndKem(own: PrivateKemParams | undefined, peer: E2eParams): Kem {
  if (!own || peer.version < KEM_E2E_VERSION) return {}
  const kemKeyPair = own.keyPair
  // Both sides may propose when a ratchet is agreed anew.
  if (own.type === 'proposed') return { kemKeyPair }
  if (peer.kem?.type !== 'proposed') throw new RatchetError({ code: 'KEM_STATE' })
  const { ciphertext, sharedSecret } = own
  return { kemKeyPair, kemAccepted: { peerKey: peer.kem.publicKey, sharedSecret, ciphertext } }
}

function rcvKem(own: PrivateKemParams | undefined, peer: E2eParams, kem: RatchetRandom['kem']): Kem {
  if (peer.kem?.type !== 'accepted' || peer.version < KEM_E2E_VERSION) return {}
  if (own?.type !== 'proposed') throw new RatchetError({ code: 'KEM_STATE' })
  const { ciphertext, publicKey } = peer.kem
  const sharedSecret = decapsulate(kem, own.keyPair, ciphertext)
  return { kemKeyPair: own.keyPair, kemAccepted: { peerKey: publicKey, sharedSecret, ciphertext } }
}

interface Agreement {
  readonly sndKey: Uint8Array
  readonly rcvKey: Uint8Array
  /** dh1, dh2, dh3 of `spec/pqdr.md §3.1`. */
  readonly secrets: readonly [Uint8Array, Uint8Array, Uint8Array]
}

function agree({ sndKey, rcvKey, secrets }: Agreement, kem: Kem): X3dhResult {
  const parts = kem.kemAccepted ? [...secrets, kem.kemAccepted.sharedSecret] : secrets
  const { headerKey, nextHeaderKey, rootKey } = x3dhKdf(concatBytes(...parts))
  return {
    associatedData: concatBytes(sndKey, rcvKey),
    rootKey,
    sndHeaderKey: headerKey,
    rcvNextHeaderKey: nextHeaderKey,
    ...kem,
  }
}
