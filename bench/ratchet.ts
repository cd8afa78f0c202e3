import {
  decryptMessage,
  encryptBody,
  encryptHeader,
  generateRcvE2eParams,
  generateSndE2eParams,
  initRcvRatchet,
  initSndRatchet,
  type Ratchet,
  type RatchetRandom,
  SkippedKeyMap,
  x3dhRcv,
  x3dhSnd,
} from '@parley/agent/ratchet'
import { type KemKeyPair, loadSntrup761, PrivateKey } from '@parley/core/crypto'

const VERSION = 3
const VERSIONS = { current: VERSION, maxSupported: VERSION }
const PADDED_LENGTH = 13618
const BODY = new Uint8Array(13_000)

/** Steps of the double ratchet a second, both sides of it. */
export interface RatchetRates {
  /** Encryption and decryption of a message in the same direction: no new keys. */
  readonly sameChain: number
  /** The same when the direction changes with every message: every step agrees on new keys. */
  readonly newChain: number
}

/**
 * Two ratchets that exchange messages for the given time.
 * @param milliseconds for each of the two rates
 */
export async function ratchetRates(pq: boolean, milliseconds: number): Promise<RatchetRates> {
  const random = await benchRandom()
  let [alice, bob] = startRatchets(pq, random)
  const rate = (step: (count: number) => void): number => {
    const started = performance.now()
    let count = 0
    while (performance.now() - started < milliseconds) step(count++)
    return (count * 1000) / (performance.now() - started)
  }
  const newChain = rate((count) => {
    if (count % 2 === 0) [bob, alice] = send(bob, alice, random)
    else [alice, bob] = send(alice, bob, random)
  })
  const sameChain = rate(() => {
    ;[bob, alice] = send(bob, alice, random)
  })
  return { sameChain, newChain }
}

/** One message from one ratchet to the other; both after it. */
function send(from: Ratchet, to: Ratchet, random: RatchetRandom): [Ratchet, Ratchet] {
  const { encryptKey, ratchet } = encryptHeader(from, { maxVersion: VERSION })
  const bytes = encryptBody(encryptKey, PADDED_LENGTH, BODY)
  const result = decryptMessage(to, new SkippedKeyMap(), bytes, random)
  if (!result.outcome.ok) throw new Error('the message was not decrypted')
  return [ratchet, result.ratchet]
}

function startRatchets(pq: boolean, random: RatchetRandom): [Ratchet, Ratchet] {
  const initiator = generateRcvE2eParams({ version: VERSION, pq }, random)
  const joiner = generateSndE2eParams({ version: VERSION, pq }, initiator.params, random)
  const bob = initSndRatchet({
    versions: VERSIONS,
    peerDhKey: initiator.params.key2,
    dhKey: random.dhKey('x448'),
    agreed: x3dhSnd(joiner.keys, initiator.params),
  })
  const alice = initRcvRatchet({
    versions: VERSIONS,
    dhKey: initiator.keys.key2,
    agreed: x3dhRcv(initiator.keys, joiner.params, random),
    pqSupport: pq,
  })
  return [alice, bob]
}

/** KEM key pairs are made ahead by a thread in an agent: here a few are used again and again. */
async function benchRandom(): Promise<RatchetRandom> {
  const kem = await loadSntrup761()
  const pairs: KemKeyPair[] = Array.from({ length: 4 }, () => kem.generateKeyPair())
  let next = 0
  return {
    kem,
    dhKey: (algorithm) => PrivateKey.generate(algorithm),
    kemKeyPair: () => pairs[next++ % pairs.length] as KemKeyPair,
  }
}
