import { createCipheriv, createDecipheriv, pbkdf2, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Ledger } from '@parley/acn/record'
import { concatBytes, toHex } from '@parley/core/encoding'
import { openEax, sealEax } from './eax.ts'
import { LedgerIdentityError } from './identity-error.ts'
import { JsonFields } from './json-fields.ts'
import { type ScryptCost, scryptKey } from './scrypt.ts'

/**
 * Forms in which the Python agents keep keys: `plain` hexadecimal (64 digits; `0x` before them for ethereum), `aea` the
 * encrypted JSON of open-aea's fetchai and cosmos ledgers, `v3` the encrypted JSON of Ethereum programs.
 */
export type AeaKeyForm = 'plain' | 'aea' | 'v3'

const KEY_TEXT = /^(0[xX])?([0-9a-fA-F]{64})$/
/** scrypt of open-aea, and of its Ethereum library. */
const AEA_COST: ScryptCost = { N: 2 ** 14, r: 8, p: 1 }
const V3_COST: ScryptCost = { N: 2 ** 18, r: 8, p: 1 }
const V3_KEY_LENGTH = 32
/** Most rounds of PBKDF2 that a file may ask for: some ten seconds. */
const MAX_ROUNDS = 10_000_000
const WRONG_PASSPHRASE = 'the passphrase is not that of the key file'

const pbkdf2Key = promisify(pbkdf2)

/** In which form the text of a key file is; undefined when in none. */
export function aeaKeyForm(text: string): AeaKeyForm | undefined {
  const trimmed = text.trim()
  if (KEY_TEXT.test(trimmed)) return 'plain'
  try {
    const fields = JsonFields.parse(trimmed)
    if (fields.has('encrypted_data')) return 'aea'
    return fields.has('crypto') || fields.has('Crypto') ? 'v3' : undefined
  } catch {
    return undefined
  }
}

/**
 * The private key, 32 bytes, in a file of the Python agents.
 * @param passphrase of an encrypted one
 * @throws LedgerIdentityError FORMAT, PASSPHRASE
 */
export async function readAeaKey(text: string, passphrase: string | undefined): Promise<Uint8Array> {
  const trimmed = text.trim()
  const form = aeaKeyForm(trimmed)
  if (form === undefined) throw new LedgerIdentityError('FORMAT', 'not a key file of an agent')
  if (form === 'plain') return readHex(trimmed)
  if (passphrase === undefined) {
    throw new LedgerIdentityError('PASSPHRASE', 'the key file is encrypted: its passphrase is needed')
  }
  return form === 'aea' ? openAea(trimmed, passphrase) : openV3(trimmed, passphrase)
}

/**
 * A key file as the Python agents of the ledger write it: encrypted with the passphrase, or plain without one.
 * @param privateKey 32 bytes
 * @throws LedgerIdentityError PASSPHRASE when their programs could not use the passphrase
 */
export async function writeAeaKey(
  ledger: Ledger,
  privateKey: Uint8Array,
  passphrase: string | undefined,
): Promise<string> {
  const isEthereum = ledger.ledgerId === 'ethereum'
  const hex = toHex(privateKey)
  if (passphrase === undefined) return isEthereum ? `0x${hex}` : hex
  if (!isEthereum) return sealAea(hex, passphrase)
  return sealV3(privateKey, passphrase, ledger.addressOf(ledger.publicKeyOf(privateKey)) ?? '')
}

function readHex(text: string): Uint8Array {
  const digits = KEY_TEXT.exec(text)?.[2]
  if (digits === undefined) throw new LedgerIdentityError('FORMAT', 'a private key of 32 bytes is needed')
  return new Uint8Array(Buffer.from(digits, 'hex'))
}

async function openAea(text: string, passphrase: string): Promise<Uint8Array> {
  const fields = JsonFields.parse(text)
  const sealed = { ciphertext: fields.bytes('encrypted_data', 'base64'), tag: fields.bytes('tag', 'base64', 16) }
  const key = await aeaKey(passphrase, fields.bytes('salt', 'base64'))
  const opened = openEax(key, fields.bytes('nonce', 'base64'), sealed)
  if (!opened) throw new LedgerIdentityError('PASSPHRASE', WRONG_PASSPHRASE)
  return readHex(Buffer.from(opened).toString('latin1'))
}

async function sealAea(hex: string, passphrase: string): Promise<string> {
  const salt = randomBytes(16)
  const nonce = randomBytes(16)
  const { ciphertext, tag } = sealEax(await aeaKey(passphrase, salt), nonce, Buffer.from(hex))
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  return JSON.stringify({
    encrypted_data: base64(ciphertext),
    nonce: base64(nonce),
    tag: base64(tag),
    salt: base64(salt),
  })
}

/** open-aea's library reads a passphrase as Latin-1, and refuses what does not fit. */
function aeaKey(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  if (/[^\0-\xff]/.test(passphrase)) {
    throw new LedgerIdentityError('PASSPHRASE', 'open-aea knows passphrases of Latin-1 characters only')
  }
  return scryptKey(Buffer.from(passphrase, 'latin1'), salt, 16, AEA_COST)
}

async function openV3(text: string, passphrase: string): Promise<Uint8Array> {
  const fields = JsonFields.parse(text)
  const crypto = fields.object(fields.has('crypto') ? 'crypto' : 'Crypto')
  if (crypto.text('cipher') !== 'aes-128-ctr') throw new LedgerIdentityError('FORMAT', 'unknown cipher of the key file')
  const key = await v3Key(crypto, passphrase)
  const ciphertext = crypto.bytes('ciphertext', 'hex', 32)
  const expected = v3Mac(key, ciphertext)
  if (!timingSafeEqual(expected, crypto.bytes('mac', 'hex', 32))) {
    throw new LedgerIdentityError('PASSPHRASE', WRONG_PASSPHRASE)
  }
  const iv = crypto.object('cipherparams').bytes('iv', 'hex', 16)
  return new Uint8Array(createDecipheriv('aes-128-ctr', key.subarray(0, 16), iv).update(ciphertext))
}

async function v3Key(crypto: JsonFields, passphrase: string): Promise<Uint8Array> {
  const parameters = crypto.object('kdfparams')
  const salt = parameters.bytes('salt', 'hex')
  if (parameters.number('dklen') !== V3_KEY_LENGTH) {
    throw new LedgerIdentityError('FORMAT', 'dklen of the file is not 32')
  }
  if (crypto.text('kdf') === 'scrypt') {
    const cost = { N: parameters.number('n'), r: parameters.number('r'), p: parameters.number('p') }
    return scryptKey(Buffer.from(passphrase), salt, V3_KEY_LENGTH, cost)
  }
  const rounds = parameters.number('c')
  const isKnown = crypto.text('kdf') === 'pbkdf2' && parameters.text('prf') === 'hmac-sha256'
  if (!isKnown || !Number.isInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS) {
    throw new LedgerIdentityError('FORMAT', 'unknown key derivation of the key file')
  }
  return pbkdf2Key(passphrase, salt, rounds, V3_KEY_LENGTH, 'sha256')
}

async function sealV3(privateKey: Uint8Array, passphrase: string, address: string): Promise<string> {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = await scryptKey(Buffer.from(passphrase), salt, V3_KEY_LENGTH, V3_COST)
  const ciphertext = createCipheriv('aes-128-ctr', key.subarray(0, 16), iv).update(privateKey)
  return JSON.stringify({
    address: address.replace(/^0x/, ''),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: toHex(iv) },
      ciphertext: toHex(ciphertext),
      kdf: 'scrypt',
      kdfparams: { dklen: V3_KEY_LENGTH, n: V3_COST.N, r: V3_COST.r, p: V3_COST.p, salt: toHex(salt) },
      mac: toHex(v3Mac(key, ciphertext)),
    },
    id: randomUUID(),
    version: 3,
  })
}

function v3Mac(key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(key.subarray(16, 32), ciphertext))
}
