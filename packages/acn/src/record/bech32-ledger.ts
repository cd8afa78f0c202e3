import { hash } from 'node:crypto'
import { ripemd160 } from '@noble/hashes/legacy.js'
import { toHex } from '@parley/core/encoding'
import { bech32 } from '@scure/base'
import type { Ledger } from './ledger-type.ts'
import { SECP256K1_SIGNATURE_LENGTH, secp256k1PublicKey, signSha256, verifySha256 } from './secp256k1.ts'

/** Bytes of an address, and characters that are looked at. */
const ADDRESS_LENGTH = 20
const MAX_ADDRESS = 90
const COMPRESSED_KEY = /^0[23][0-9a-fA-F]{64}$/
/** Base64 of 64 bytes: 88 characters, padded. */
const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/

/**
 * A ledger of the Cosmos family, which differ in the prefix of their addresses: `spec/acn.md §5`.
 * Keys are hexadecimal of 33 bytes, either case; signatures are standard base64 of r‖s over SHA-256.
 */
export function bech32Ledger(ledgerId: string, prefix: string): Ledger {
  return {
    ledgerId,
    addressOf(publicKey) {
      const key = readKey(publicKey)
      return key && bech32.encode(prefix, bech32.toWords(ripemd160(hash('sha256', key, 'buffer'))))
    },
    readAddress(text) {
      const decoded = bech32.decodeUnsafe(text, MAX_ADDRESS)
      const isOne = decoded?.prefix === prefix && bech32.fromWordsUnsafe(decoded.words)?.length === ADDRESS_LENGTH
      return isOne ? text.toLowerCase() : undefined
    },
    verify(publicKey, message, signature) {
      const key = readKey(publicKey)
      const bytes = readSignature(signature)
      return key !== undefined && bytes !== undefined && verifySha256(key, message, bytes, 'compact')
    },
    publicKeyOf: (privateKey) => toHex(secp256k1PublicKey(privateKey)),
    sign(privateKey, message) {
      secp256k1PublicKey(privateKey)
      return Buffer.from(signSha256(privateKey, message, 'compact')).toString('base64')
    },
  }
}

function readKey(text: string): Uint8Array | undefined {
  return COMPRESSED_KEY.test(text) ? Buffer.from(text, 'hex') : undefined
}

function readSignature(text: string): Uint8Array | undefined {
  if (!SIGNATURE.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  // Bits after the last byte must be zero, so that one signature has one text.
  return bytes.length === SECP256K1_SIGNATURE_LENGTH && bytes.toString('base64') === text ? bytes : undefined
}
