import { BOX_KEY_LENGTH, hkdfSha512, NONCE_LENGTH } from '../crypto/index.ts'
import { type Sodium, sodium } from '../crypto/sodium.ts'

/** Bytes of a chain key. */
export const CHAIN_KEY_LENGTH = 32

const INFO = 'SimpleXSbChain'
const STEP_LENGTH = CHAIN_KEY_LENGTH + BOX_KEY_LENGTH + NONCE_LENGTH

/** Next chain key (32 bytes), box key (32) and nonce (24) of a chain key: `spec/smp.md §2.3`. */
export type ChainStep = (chainKey: Uint8Array) => Uint8Array

/** HKDF as OpenSSL does it. */
export const opensslChainStep: ChainStep = (chainKey) => hkdfSha512(new Uint8Array(), chainKey, INFO, STEP_LENGTH)

const SHA512_BLOCK = 128
const SHA512_LENGTH = 64
const INNER = 0x36
const OUTER = 0x5c

/**
 * The same from six SHA-512 of libsodium: every block takes one step, and this takes 4 µs where OpenSSL's HKDF, with
 * the key objects that Node makes for it, takes 11.
 */
export function sodiumChainStep({ crypto_hash_sha512: hash }: Pick<Sodium, 'crypto_hash_sha512'>): ChainStep {
  const info = Buffer.from(INFO, 'latin1')
  // Inputs of the hashes: pad or padded key, then what is authenticated. Written anew in every step.
  const extractInner = Buffer.alloc(SHA512_BLOCK + CHAIN_KEY_LENGTH, INNER)
  const extractOuter = Buffer.alloc(SHA512_BLOCK + SHA512_LENGTH, OUTER)
  const firstInner = Buffer.concat([Buffer.alloc(SHA512_BLOCK, INNER), info, Uint8Array.of(1)])
  const secondInner = Buffer.concat([
    Buffer.alloc(SHA512_BLOCK, INNER),
    Buffer.alloc(SHA512_LENGTH),
    info,
    Uint8Array.of(2),
  ])
  const expandOuter = Buffer.alloc(SHA512_BLOCK + SHA512_LENGTH, OUTER)
  const extractDigest = extractOuter.subarray(SHA512_BLOCK)
  const expandDigest = expandOuter.subarray(SHA512_BLOCK)
  const key = Buffer.alloc(SHA512_LENGTH)
  return (chainKey) => {
    extractInner.set(chainKey, SHA512_BLOCK)
    hash(extractDigest, extractInner)
    hash(key, extractOuter)
    for (let i = 0; i < SHA512_LENGTH; i++) {
      const byte = key[i] as number
      firstInner[i] = byte ^ INNER
      secondInner[i] = byte ^ INNER
      expandOuter[i] = byte ^ OUTER
    }
    const output = new Uint8Array(2 * SHA512_LENGTH)
    const first = output.subarray(0, SHA512_LENGTH)
    hash(expandDigest, firstInner)
    hash(first, expandOuter)
    secondInner.set(first, SHA512_BLOCK)
    hash(expandDigest, secondInner)
    hash(output.subarray(SHA512_LENGTH), expandOuter)
    return output.subarray(0, STEP_LENGTH)
  }
}

/** The fastest that this machine can load. */
export const chainStep: ChainStep = sodium ? sodiumChainStep(sodium) : opensslChainStep
