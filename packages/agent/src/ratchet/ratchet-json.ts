import { CryptoError, type DhAlgorithm, PrivateKey, PublicKey } from '@parley/core/crypto'
import { DecodeError, fromBase64url, toBase64url } from '@parley/core/encoding'
import type { KemAccepted, Ratchet, RatchetKem, RatchetVersions, ReceivingChain, SendingChain } from './state.ts'

/** A ratchet as it is stored: `spec/pqdr.md §4`. Bytes are base64url; the private key is encoded twice. */
export interface RatchetJson {
  readonly rcVersion: readonly [current: number, maxSupported: number]
  readonly rcAD: string
  readonly rcDHRs: string
  readonly rcKEM?: {
    readonly rcPQRs: readonly [publicKey: string, secretKey: string]
    readonly rcKEMs?: { readonly rcPQRr: string; readonly rcPQRss: string; readonly rcPQRct: string }
  }
  readonly rcSupportKEM: boolean
  readonly rcEnableKEM: boolean
  readonly rcSndKEM: boolean
  readonly rcRcvKEM: boolean
  readonly rcRK: string
  readonly rcSnd?: { readonly rcDHRr: string; readonly rcCKs: string; readonly rcHKs: string }
  readonly rcRcv?: { readonly rcCKr: string; readonly rcHKr: string }
  readonly rcNs: number
  readonly rcNr: number
  readonly rcPN: number
  readonly rcNHKs: string
  readonly rcNHKr: string
}

/** The stored form. */
export function ratchetToJson(ratchet: Ratchet): RatchetJson {
  const { kem, sending, receiving, versions } = ratchet
  return {
    rcVersion: [versions.current, versions.maxSupported],
    rcAD: toBase64url(ratchet.associatedData),
    rcDHRs: toBase64url(Buffer.from(toBase64url(ratchet.dhKey.pkcs8), 'latin1')),
    ...(kem && { rcKEM: kemToJson(kem) }),
    rcSupportKEM: ratchet.supportKem,
    rcEnableKEM: ratchet.enableKem,
    rcSndKEM: ratchet.sndKem,
    rcRcvKEM: ratchet.rcvKem,
    rcRK: toBase64url(ratchet.rootKey),
    ...(sending && {
      rcSnd: {
        rcDHRr: toBase64url(sending.peerDhKey.spki),
        rcCKs: toBase64url(sending.chainKey),
        rcHKs: toBase64url(sending.headerKey),
      },
    }),
    ...(receiving && { rcRcv: { rcCKr: toBase64url(receiving.chainKey), rcHKr: toBase64url(receiving.headerKey) } }),
    rcNs: ratchet.sndNumber,
    rcNr: ratchet.rcvNumber,
    rcPN: ratchet.previousSndCount,
    rcNHKs: toBase64url(ratchet.nextSndHeaderKey),
    rcNHKr: toBase64url(ratchet.nextRcvHeaderKey),
  }
}

/**
 * Reads the stored form. What was stored before there was a KEM has none of its fields: they default to off.
 * @throws DecodeError, at offset 0
 */
export function ratchetFromJson(json: unknown): Ratchet {
  const fields = new Fields(json)
  const kem = fields.optional('rcKEM', readKem)
  const sending = fields.optional('rcSnd', readSending)
  const receiving = fields.optional('rcRcv', readReceiving)
  return {
    versions: readVersions(fields.value('rcVersion')),
    associatedData: fields.bytes('rcAD'),
    dhKey: readPrivateKey(fields.bytes('rcDHRs')),
    ...(kem && { kem }),
    supportKem: fields.flag('rcSupportKEM'),
    enableKem: fields.flag('rcEnableKEM'),
    sndKem: fields.flag('rcSndKEM'),
    rcvKem: fields.flag('rcRcvKEM'),
    rootKey: fields.bytes('rcRK'),
    ...(sending && { sending }),
    ...(receiving && { receiving }),
    sndNumber: fields.word('rcNs'),
    rcvNumber: fields.word('rcNr'),
    previousSndCount: fields.word('rcPN'),
    nextSndHeaderKey: fields.bytes('rcNHKs'),
    nextRcvHeaderKey: fields.bytes('rcNHKr'),
  }
}

/** The stored form as text. */
export function serializeRatchet(ratchet: Ratchet): string {
  return JSON.stringify(ratchetToJson(ratchet))
}

/**
 * Reads {@link serializeRatchet}'s text.
 * @throws DecodeError
 */
export function parseRatchet(text: string): Ratchet {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail('ratchet is not JSON')
  }
  return ratchetFromJson(json)
}

function fail(reason: string): never {
  throw new DecodeError(reason, 0)
}

function bytesOf(value: unknown, name: string): Uint8Array {
  if (typeof value !== 'string') return fail(`${name} is not text`)
  // A copy of its own: what base64 decoding gives is part of a shared block.
  return Uint8Array.from(fromBase64url(value))
}

function wordOf(value: unknown, name: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    return fail(`${name} is not a number from 0 to ${max}`)
  }
  return value
}

/** Typed access to the fields of a JSON object. */
class Fields {
  readonly #object: Readonly<Record<string, unknown>>

  constructor(json: unknown) {
    if (typeof json !== 'object' || json === null) fail('expected a JSON object')
    this.#object = json as Record<string, unknown>
  }

  value(name: string): unknown {
    return this.#object[name]
  }

  bytes(name: string): Uint8Array {
    return bytesOf(this.#object[name], name)
  }

  word(name: string): number {
    return wordOf(this.#object[name], name, 0xffffffff)
  }

  flag(name: string): boolean {
    const value = this.#object[name] ?? false
    return typeof value === 'boolean' ? value : fail(`${name} is not true or false`)
  }

  optional<T>(name: string, read: (fields: Fields) => T): T | undefined {
    const value = this.#object[name]
    return value === undefined || value === null ? undefined : read(new Fields(value))
  }
}

/** `[current, max]`, or the same as an object. */
function readVersions(value: unknown): RatchetVersions {
  const version = (v: unknown) => wordOf(v, 'rcVersion', 0xffff)
  if (Array.isArray(value) && value.length === 2) {
    return { current: version(value[0]), maxSupported: version(value[1]) }
  }
  const fields = new Fields(value)
  return { current: version(fields.value('current')), maxSupported: version(fields.value('maxSupported')) }
}

function readPrivateKey(text: Uint8Array): PrivateKey<DhAlgorithm> {
  const der = bytesOf(Buffer.from(text).toString('latin1'), 'rcDHRs')
  const key = orFail(() => PrivateKey.fromPkcs8(der), 'rcDHRs is not a private key')
  if (key.is('x448') || key.is('x25519')) return key as PrivateKey<DhAlgorithm>
  return fail('rcDHRs is not a key agreement key')
}

function readPublicKey(der: Uint8Array): PublicKey<DhAlgorithm> {
  const key = orFail(() => PublicKey.fromSpki(der), 'rcDHRr is not a public key')
  if (key.is('x448') || key.is('x25519')) return key as PublicKey<DhAlgorithm>
  return fail('rcDHRr is not a key agreement key')
}

function orFail<T>(read: () => T, reason: string): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof CryptoError) return fail(reason)
    throw error
  }
}

function kemToJson({ keyPair, accepted }: RatchetKem): NonNullable<RatchetJson['rcKEM']> {
  const rcPQRs = [toBase64url(keyPair.publicKey), toBase64url(keyPair.secretKey)] as const
  if (!accepted) return { rcPQRs }
  const { peerKey, sharedSecret, ciphertext } = accepted
  const rcKEMs = { rcPQRr: toBase64url(peerKey), rcPQRss: toBase64url(sharedSecret), rcPQRct: toBase64url(ciphertext) }
  return { rcPQRs, rcKEMs }
}

function readKem(fields: Fields): RatchetKem {
  const pair = fields.value('rcPQRs')
  if (!Array.isArray(pair) || pair.length !== 2) return fail('rcPQRs is not a pair of keys')
  const keyPair = { publicKey: bytesOf(pair[0], 'rcPQRs'), secretKey: bytesOf(pair[1], 'rcPQRs') }
  const accepted = fields.optional('rcKEMs', readAccepted)
  return accepted ? { keyPair, accepted } : { keyPair }
}

function readAccepted(fields: Fields): KemAccepted {
  return {
    peerKey: fields.bytes('rcPQRr'),
    sharedSecret: fields.bytes('rcPQRss'),
    ciphertext: fields.bytes('rcPQRct'),
  }
}

function readSending(fields: Fields): SendingChain {
  return {
    peerDhKey: readPublicKey(fields.bytes('rcDHRr')),
    chainKey: fields.bytes('rcCKs'),
    headerKey: fields.bytes('rcHKs'),
  }
}

function readReceiving(fields: Fields): ReceivingChain {
  return { chainKey: fields.bytes('rcCKr'), headerKey: fields.bytes('rcHKr') }
}
