import assert from 'node:assert/strict'
import {
  type DecryptOutcome,
  decryptOpened,
  encryptBody,
  encryptHeader,
  generateRcvE2eParams,
  generateSndE2eParams,
  initRcvRatchet,
  initSndRatchet,
  openMessage,
  parseRatchet,
  type Ratchet,
  type RatchetRandom,
  ratchetRandom,
  SkippedKeyMap,
  serializeRatchet,
  x3dhRcv,
  x3dhSnd,
} from '@parley/agent/ratchet'
import { type DhAlgorithm, type KemKeyPair, loadSntrup761 } from '@parley/core/crypto'

export const kem = await loadSntrup761()

/** Few pairs used again and again: making one takes 20 ms, and what a test needs is that they differ. */
const kemKeyPairs: KemKeyPair[] = Array.from({ length: 6 }, () => kem.generateKeyPair())
let nextPair = 0

function anyKemKeyPair(): KemKeyPair {
  const pair = kemKeyPairs[nextPair++ % kemKeyPairs.length]
  assert.ok(pair)
  return pair
}

/** Fresh keys with one KEM key pair at hand. */
export function freshRandom(): RatchetRandom {
  return ratchetRandom(kem, anyKemKeyPair())
}

/** How two parties agree their ratchets. */
export interface Setting {
  readonly version?: number
  /** Highest versions that the two support, when they differ from the agreed one. */
  readonly maxVersions?: { readonly alice: number; readonly bob: number }
  readonly algorithm?: DhAlgorithm
  /** Whether the initiator proposes a KEM key. */
  readonly alicePq: boolean
  /** What the joiner does: nothing, accept what is proposed (or propose), or propose whatever there is. */
  readonly bobKem: 'none' | 'accept' | 'propose'
}

/** One side of a conversation. Its ratchet goes through its stored form after every step. */
export class Party {
  ratchet: Ratchet
  readonly skipped = new SkippedKeyMap()
  readonly maxVersion: number

  constructor(ratchet: Ratchet, maxVersion: number) {
    this.ratchet = ratchet
    this.maxVersion = maxVersion
  }

  /** An encrypted message. */
  send(text: string, options: { pq?: boolean | undefined; paddedLength?: number } = {}): Uint8Array {
    const { encryptKey, ratchet } = encryptHeader(this.ratchet, { pq: options.pq, maxVersion: this.maxVersion })
    this.ratchet = parseRatchet(serializeRatchet(ratchet))
    return encryptBody(encryptKey, options.paddedLength ?? 100, Buffer.from(text))
  }

  /** Decrypts and keeps the new state, as an agent does, whether the body decrypts or not. */
  tryReceive(message: Uint8Array): DecryptOutcome {
    const opened = openMessage(this.ratchet, this.skipped, message)
    const random = ratchetRandom(kem, opened.needsKemKeyPair ? anyKemKeyPair() : undefined)
    const { outcome, ratchet, skippedKeys } = decryptOpened(opened, random)
    this.ratchet = parseRatchet(serializeRatchet(ratchet))
    this.skipped.apply(skippedKeys)
    return outcome
  }

  /** The decrypted text; fails the test when there is none. */
  receive(message: Uint8Array): string {
    const outcome = this.tryReceive(message)
    if (!outcome.ok) throw outcome.error
    return Buffer.from(outcome.body).toString()
  }
}

/** Two parties that have agreed: alice made the invitation, bob joined and can send. */
export function agreedParties(setting: Setting): { alice: Party; bob: Party } {
  const { version = 3, algorithm = 'x448', alicePq, bobKem } = setting
  const { alice: aliceMax, bob: bobMax } = setting.maxVersions ?? { alice: version, bob: version }
  const aliceSide = generateRcvE2eParams({ version, pq: alicePq, algorithm }, freshRandom())
  const proposal = bobKem === 'propose' ? {} : aliceSide.params
  const bobSide = generateSndE2eParams({ version, pq: bobKem !== 'none', algorithm }, proposal, freshRandom())
  const bob = initSndRatchet({
    versions: { current: version, maxSupported: bobMax },
    peerDhKey: aliceSide.params.key2,
    dhKey: freshRandom().dhKey(algorithm),
    agreed: x3dhSnd(bobSide.keys, aliceSide.params),
  })
  const alice = initRcvRatchet({
    versions: { current: version, maxSupported: aliceMax },
    dhKey: aliceSide.keys.key2,
    agreed: x3dhRcv(aliceSide.keys, bobSide.params, { kem }),
    pqSupport: alicePq,
  })
  return { alice: new Party(alice, aliceMax), bob: new Party(bob, bobMax) }
}

/** Every way to start, with names for tests. */
export const SETTINGS: ReadonlyArray<readonly [name: string, setting: Setting]> = [
  ['version 2', { version: 2, alicePq: false, bobKem: 'none' }],
  ['no KEM', { alicePq: false, bobKem: 'none' }],
  ['no KEM, X25519', { algorithm: 'x25519', alicePq: false, bobKem: 'none' }],
  ['KEM proposed and ignored', { alicePq: true, bobKem: 'none' }],
  ['KEM accepted', { alicePq: true, bobKem: 'accept' }],
  ['KEM accepted, X25519', { algorithm: 'x25519', alicePq: true, bobKem: 'accept' }],
  ['KEM proposed by the joiner', { alicePq: false, bobKem: 'accept' }],
  ['KEM proposed again', { alicePq: true, bobKem: 'propose' }],
]
