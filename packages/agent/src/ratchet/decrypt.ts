import { CryptoError, decryptAead } from '@parley/core/crypto'
import { ByteReader, concatBytes, DecodeError, decode } from '@parley/core/encoding'
import { kemSupported } from './encrypt.ts'
import {
  type EncryptedHeader,
  type EncryptedMessage,
  encryptedHeaderCodec,
  encryptedMessageCodec,
  type MessageHeader,
  messageHeaderCodec,
} from './header.ts'
import { chainKdf, peerDh, rootKdf } from './kdf.ts'
import { KEM_E2E_VERSION } from './params.ts'
import type { RatchetRandom } from './random.ts'
import { RatchetError, type RatchetErrorReason } from './ratchet-error.ts'
import {
  type MessageKey,
  NO_SKIPPED_KEYS_DIFF,
  type SkippedKey,
  type SkippedKeys,
  type SkippedKeysDiff,
  sameHeaderKey,
} from './skipped-keys.ts'
import type { Ratchet, RatchetKem } from './state.ts'
import { decapsulate, encapsulate } from './x3dh.ts'

/** Keys kept for messages skipped in one chain by one received message: `spec/pqdr.md §6`. */
export const MAX_SKIPPED = 512

/** What became of the body. An error here does not undo the state. */
export type DecryptOutcome =
  | { readonly ok: true; readonly body: Uint8Array }
  | { readonly ok: false; readonly error: RatchetError }

/** New state after a message, to be stored whatever the outcome is. */
export interface DecryptResult {
  readonly outcome: DecryptOutcome
  readonly ratchet: Ratchet
  readonly skippedKeys: SkippedKeysDiff
}

/** A message whose header was decrypted; nothing has changed yet. */
export interface OpenedMessage {
  /** True when {@link decryptOpened} will take a KEM key pair. */
  readonly needsKemKeyPair: boolean
  readonly ratchet: Ratchet
  readonly message: EncryptedMessage
  readonly step: Step
}

/** What the message does to the ratchet: uses a kept key, goes on in the chain, or starts a new chain. */
type Step =
  | { readonly type: 'skipped'; readonly headerKey: Uint8Array; readonly number: number; readonly key: MessageKey }
  | { readonly type: 'same' | 'advance'; readonly header: MessageHeader }

/**
 * The first half of decryption, without randomness and without effect.
 * @throws RatchetError SYNTAX, HEADER
 */
export function openMessage(ratchet: Ratchet, skippedKeys: SkippedKeys, bytes: Uint8Array): OpenedMessage {
  const message = parse(() => decode(encryptedMessageCodec, bytes, { version: KEM_E2E_VERSION }))
  const encrypted = parse(() => decode(encryptedHeaderCodec, message.header))
  const step = openSkipped(ratchet, skippedKeys, encrypted) ?? openCurrent(ratchet, encrypted)
  return { needsKemKeyPair: takesKemKeyPair(ratchet, step), ratchet, message, step }
}

/**
 * The second half. Errors that come before the ratchet changes are thrown; later ones are the outcome.
 * @throws RatchetError DUPLICATE, EARLIER, TOO_MANY_SKIPPED (in the previous chain), KEM_STATE, SYNTAX
 */
export function decryptOpened({ ratchet, message, step }: OpenedMessage, random: RatchetRandom): DecryptResult {
  if (step.type === 'skipped') {
    const { headerKey, number, key } = step
    const outcome = openBody(ratchet, key, message)
    return { outcome, ratchet, skippedKeys: { added: [], removed: { headerKey, number } } }
  }
  const { header } = step
  const upgraded = upgradeVersion(ratchet, header.maxVersion)
  if (step.type === 'same') return receive(upgraded, [], header.number, message)
  const { ratchet: skipped, keys } = skipUntil(upgraded, header.previousSndCount)
  return receive(advance(skipped, header, random), keys, header.number, message)
}

/**
 * Decrypts one message.
 * @throws RatchetError when the message changes nothing: see {@link openMessage} and {@link decryptOpened}
 */
export function decryptMessage(
  ratchet: Ratchet,
  skippedKeys: SkippedKeys,
  bytes: Uint8Array,
  random: RatchetRandom,
): DecryptResult {
  return decryptOpened(openMessage(ratchet, skippedKeys, bytes), random)
}

function parse<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof DecodeError) throw new RatchetError({ code: 'SYNTAX' }, { cause })
    throw cause
  }
}

/** The header decrypted with `key`, or undefined when it is not this key's. */
function tryHeader(ratchet: Ratchet, key: Uint8Array, encrypted: EncryptedHeader): MessageHeader | undefined {
  const { version, iv, tag, body } = encrypted
  let plain: Uint8Array
  try {
    plain = decryptAead(key, iv, ratchet.associatedData, tag, body)
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  }
  // What follows the known fields is left for later versions.
  const header = parse(() => messageHeaderCodec.decode(new ByteReader(plain), { version }))
  if (header.dhKey.algorithm !== ratchet.dhKey.algorithm) throw new RatchetError({ code: 'SYNTAX' })
  return header
}

function openSkipped(ratchet: Ratchet, skippedKeys: SkippedKeys, encrypted: EncryptedHeader): Step | undefined {
  for (const headerKey of skippedKeys.headerKeys()) {
    const header = tryHeader(ratchet, headerKey, encrypted)
    if (!header) continue
    const { number } = header
    const key = skippedKeys.find(headerKey, number)
    if (key) return { type: 'skipped', headerKey, number, key }
    if (sameHeaderKey(headerKey, ratchet.receiving?.headerKey)) return { type: 'same', header }
    if (sameHeaderKey(headerKey, ratchet.nextRcvHeaderKey)) return { type: 'advance', header }
    throw new RatchetError({ code: 'HEADER' })
  }
  return undefined
}

function openCurrent(ratchet: Ratchet, encrypted: EncryptedHeader): Step {
  const { receiving, nextRcvHeaderKey, sndNumber } = ratchet
  const steps = [
    { type: 'same', key: receiving?.headerKey },
    { type: 'advance', key: nextRcvHeaderKey },
  ] as const
  // Who was sent something has begun a new chain, most likely.
  for (const { type, key } of sndNumber > 0 ? steps.toReversed() : steps) {
    const header = key && tryHeader(ratchet, key, encrypted)
    if (header) return { type, header }
  }
  throw new RatchetError({ code: 'HEADER' })
}

/** The current version rises as soon as both sides are known to support a higher one; it never falls. */
function upgradeVersion(ratchet: Ratchet, peerMax: number): Ratchet {
  const { current, maxSupported } = ratchet.versions
  const upgraded = Math.max(current, Math.min(peerMax, maxSupported))
  if (upgraded === current) return ratchet
  return { ...ratchet, versions: { current: upgraded, maxSupported } }
}

/** Decrypts message `number` of the current receiving chain, keeping the keys of those before it. */
function receive(ratchet: Ratchet, kept: SkippedKey[], number: number, message: EncryptedMessage): DecryptResult {
  const reason = skipFault(ratchet, number)
  if (reason) {
    return { outcome: { ok: false, error: new RatchetError(reason) }, ratchet, skippedKeys: diffOf(kept) }
  }
  const { ratchet: skipped, keys } = skipUntil(ratchet, number)
  const { receiving } = skipped
  const added = [...kept, ...keys]
  if (!receiving) {
    const error = new RatchetError({ code: 'STATE' })
    return { outcome: { ok: false, error }, ratchet: skipped, skippedKeys: diffOf(added) }
  }
  const { chainKey, messageKey, bodyIv } = chainKdf(receiving.chainKey)
  return {
    outcome: openBody(skipped, { key: messageKey, iv: bodyIv }, message),
    ratchet: { ...skipped, receiving: { ...receiving, chainKey }, rcvNumber: skipped.rcvNumber + 1 },
    skippedKeys: diffOf(added),
  }
}

function diffOf(added: readonly SkippedKey[]): SkippedKeysDiff {
  return added.length === 0 ? NO_SKIPPED_KEYS_DIFF : { added }
}

/** Why the chain cannot go on to message `until`: `spec/pqdr.md §6`, skip rules. */
function skipFault({ receiving, rcvNumber }: Ratchet, until: number): RatchetErrorReason | undefined {
  if (!receiving) return undefined
  if (rcvNumber > until + 1) return { code: 'EARLIER', count: rcvNumber - until - 1 }
  if (rcvNumber === until + 1) return { code: 'DUPLICATE' }
  if (rcvNumber + MAX_SKIPPED < until) return { code: 'TOO_MANY_SKIPPED', count: until + 1 - rcvNumber }
  return undefined
}

/**
 * Moves the receiving chain on to message `until` and gives the keys of the messages before it.
 * @throws RatchetError DUPLICATE, EARLIER, TOO_MANY_SKIPPED
 */
function skipUntil(ratchet: Ratchet, until: number): { ratchet: Ratchet; keys: SkippedKey[] } {
  const reason = skipFault(ratchet, until)
  if (reason) throw new RatchetError(reason)
  const { receiving } = ratchet
  if (!receiving || ratchet.rcvNumber === until) return { ratchet, keys: [] }
  const { headerKey } = receiving
  const keys: SkippedKey[] = []
  let { chainKey } = receiving
  for (let number = ratchet.rcvNumber; number < until; number++) {
    const next = chainKdf(chainKey)
    chainKey = next.chainKey
    keys.push({ headerKey, number, messageKey: { key: next.messageKey, iv: next.bodyIv } })
  }
  return { ratchet: { ...ratchet, receiving: { headerKey, chainKey }, rcvNumber: until }, keys }
}

/** The Diffie-Hellman and KEM ratchet step: `spec/pqdr.md §6`. */
function advance(ratchet: Ratchet, { dhKey: peerDhKey, kem: peerKem }: MessageHeader, random: RatchetRandom): Ratchet {
  const { kem: _, ...rest } = ratchet
  const { rcvSecret, sndSecret, kem } = kemStep(ratchet, peerKem, random)
  const receiving = rootKdf(ratchet.rootKey, peerDh(ratchet.dhKey, peerDhKey), rcvSecret)
  const dhKey = random.dhKey(ratchet.dhKey.algorithm)
  const sending = rootKdf(receiving.rootKey, peerDh(dhKey, peerDhKey), sndSecret)
  const sndKem = sndSecret !== undefined
  const rcvKem = rcvSecret !== undefined
  const enableKem = sndKem || rcvKem || kem !== undefined
  return {
    ...rest,
    dhKey,
    ...(kem && { kem }),
    supportKem: kemSupported(ratchet, ratchet.versions.current, enableKem),
    enableKem,
    sndKem,
    rcvKem,
    rootKey: sending.rootKey,
    sending: { peerDhKey, chainKey: sending.chainKey, headerKey: ratchet.nextSndHeaderKey },
    receiving: { chainKey: receiving.chainKey, headerKey: ratchet.nextRcvHeaderKey },
    previousSndCount: ratchet.sndNumber,
    sndNumber: 0,
    rcvNumber: 0,
    nextSndHeaderKey: sending.nextHeaderKey,
    nextRcvHeaderKey: receiving.nextHeaderKey,
  }
}

interface KemStep {
  readonly rcvSecret?: Uint8Array
  readonly sndSecret?: Uint8Array
  readonly kem?: RatchetKem
}

/** The KEM's part of the step: the table pqStep of `spec/pqdr.md §6`. */
function kemStep(ratchet: Ratchet, peer: MessageHeader['kem'], random: RatchetRandom): KemStep {
  const enabled = kemEnabled(ratchet)
  if (!peer) return enabled && !ratchet.kem ? { kem: { keyPair: random.kemKeyPair() } } : {}
  const received = peer.type === 'accepted' ? { rcvSecret: receivedSecret(ratchet, peer.ciphertext, random) } : {}
  if (!enabled) return received
  const { ciphertext, sharedSecret } = encapsulate(random.kem, peer.publicKey)
  const accepted = { peerKey: peer.publicKey, sharedSecret, ciphertext }
  return { ...received, sndSecret: sharedSecret, kem: { keyPair: random.kemKeyPair(), accepted } }
}

function receivedSecret({ kem }: Ratchet, ciphertext: Uint8Array, random: RatchetRandom): Uint8Array {
  if (!kem) throw new RatchetError({ code: 'KEM_STATE' })
  return decapsulate(random.kem, kem.keyPair, ciphertext)
}

function kemEnabled({ enableKem, versions }: Ratchet): boolean {
  return enableKem && versions.current >= KEM_E2E_VERSION
}

function takesKemKeyPair(ratchet: Ratchet, step: Step): boolean {
  if (step.type !== 'advance') return false
  const { header } = step
  return kemEnabled(upgradeVersion(ratchet, header.maxVersion)) && (header.kem !== undefined || !ratchet.kem)
}

function openBody({ associatedData }: Ratchet, { key, iv }: MessageKey, message: EncryptedMessage): DecryptOutcome {
  try {
    const body = decryptAead(key, iv, concatBytes(associatedData, message.header), message.tag, message.body)
    return { ok: true, body }
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    const code = cause.code === 'DECRYPT_AES' ? 'DECRYPT_AES' : 'SYNTAX'
    return { ok: false, error: new RatchetError({ code }, { cause }) }
  }
}
