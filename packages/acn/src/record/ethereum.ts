import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, equalBytes, toHex } from '@parley/core/encoding'
import type { Ledger } from './ledger-type.ts'
import { recoverPublicKey, secp256k1PublicKey, signRecoverable, uncompressed } from './secp256k1.ts'

const ADDRESS_LENGTH = 20
/** The two characters before the key are not looked at: the Go node cuts them off unread, `spec/acn.md §5`. */
const PUBLIC_KEY = /^.{2}([0-9a-fA-F]{128})$/su
const SIGNATURE = /^0[xX]([0-9a-fA-F]{128})(1[bB]|1[cC])$/
/** Added to the recovery bit: the last byte of a signature is 27 or 28, never 0 or 1. */
const FIRST_V = 27

/**
 * Ethereum: addresses `0x…` in mixed case (EIP-55), compared as they are written. Keys are `0x` and X‖Y in
 * hexadecimal; signatures are `0x` and r‖s‖v over a personal message (EIP-191): `spec/acn.md §5`.
 */
export const ethereum: Ledger = {
  ledgerId: 'ethereum',
  addressOf(publicKey) {
    const key = readKey(publicKey)
    return key && checksummed(keccak_256(key).subarray(-ADDRESS_LENGTH))
  },
  readAddress(text) {
    if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return undefined
    const address = checksummed(Buffer.from(text.slice(2), 'hex'))
    // In one case there is no checksum to be wrong.
    const isPlain = /^0x([0-9a-f]{40}|[0-9A-F]{40})$/.test(text)
    return isPlain || text === address ? address : undefined
  },
  verify(publicKey, message, signature) {
    const key = readKey(publicKey)
    const match = SIGNATURE.exec(signature)
    if (!key || !match?.[1] || !match[2]) return false
    const bit = Number.parseInt(match[2], 16) - FIRST_V
    // Recovery, not verification: v names one of two keys, and only that one may be the agent's.
    const signer = recoverPublicKey(personalHash(message), Buffer.from(match[1], 'hex'), bit)
    return signer !== undefined && equalBytes(signer, key)
  },
  publicKeyOf: (privateKey) => `0x${toHex(uncompressed(secp256k1PublicKey(privateKey)))}`,
  sign(privateKey, message) {
    secp256k1PublicKey(privateKey)
    const { signature, bit } = signRecoverable(privateKey, personalHash(message))
    return `0x${toHex(signature)}${(FIRST_V + bit).toString(16)}`
  },
}

function readKey(text: string): Uint8Array | undefined {
  const digits = PUBLIC_KEY.exec(text)?.[1]
  return digits === undefined ? undefined : Buffer.from(digits, 'hex')
}

/** Hash of a message that a person signs, EIP-191: it cannot be mistaken for a transaction. */
function personalHash(message: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`), message))
}

/** An address in mixed case: a letter is a capital where the hash of the lower-case digits has a high digit (EIP-55). */
function checksummed(address: Uint8Array): string {
  const digits = toHex(address)
  const hash = toHex(keccak_256(Buffer.from(digits)))
  const mixed = [...digits].map((digit, i) => (Number.parseInt(hash.charAt(i), 16) >= 8 ? digit.toUpperCase() : digit))
  return `0x${mixed.join('')}`
}
