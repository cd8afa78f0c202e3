import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { type Ledger, ledgerOf } from '@parley/acn/record'
import { LedgerIdentityError } from './identity-error.ts'
import { JsonFields } from './json-fields.ts'
import { type ScryptCost, scryptKey } from './scrypt.ts'

/** What anybody may know of an identity: everything but the key. */
export interface PublicIdentity {
  /** What its user calls it; the file is called so too. */
  readonly name: string
  readonly ledger: Ledger
  /** In the ledger's own form. */
  readonly address: string
  readonly publicKey: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** An identity's file as it was read: the key is still sealed. */
export interface KeyFile {
  readonly identity: PublicIdentity
  readonly sealed: SealedKey
}

interface SealedKey {
  readonly cost: ScryptCost
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  /** 32 bytes and the tag of 16. */
  readonly ciphertext: Uint8Array
}

const VERSION = 1
/** That of the stores (`@parley/agent`): 64 MiB and some 0.2 s on a server core. */
const COST: ScryptCost = { N: 65536, r: 8, p: 1 }
const SALT_LENGTH = 32
const NONCE_LENGTH = 12
const KEY_LENGTH = 32
const TAG_LENGTH = 16

/**
 * Seals a private key (32 bytes) with a passphrase: scrypt, then AES-256-GCM with the public part as associated data, so
 * that nobody can put another name or address over a key.
 */
export async function sealKeyFile(
  identity: PublicIdentity,
  privateKey: Uint8Array,
  passphrase: string,
): Promise<KeyFile> {
  const salt = randomBytes(SALT_LENGTH)
  const nonce = randomBytes(NONCE_LENGTH)
  const key = await scryptKey(Buffer.from(passphrase.normalize('NFC')), salt, KEY_LENGTH, COST)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(identity))
  const ciphertext = Buffer.concat([cipher.update(privateKey), cipher.final(), cipher.getAuthTag()])
  return { identity, sealed: { cost: COST, salt, nonce, ciphertext } }
}

/**
 * The private key, 32 bytes, of a file.
 * @throws LedgerIdentityError PASSPHRASE when the passphrase is wrong or the file was changed, FORMAT
 */
export async function openKeyFile({ identity, sealed }: KeyFile, passphrase: string): Promise<Uint8Array> {
  const { salt, cost, nonce, ciphertext } = sealed
  const key = await scryptKey(Buffer.from(passphrase.normalize('NFC')), salt, KEY_LENGTH, cost)
  const cipher = createDecipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(associatedData(identity)).setAuthTag(ciphertext.subarray(KEY_LENGTH))
  let privateKey: Uint8Array
  try {
    privateKey = new Uint8Array(Buffer.concat([cipher.update(ciphertext.subarray(0, KEY_LENGTH)), cipher.final()]))
  } catch (cause) {
    const reason = `the passphrase of ${identity.name} is wrong, or its file was changed`
    throw new LedgerIdentityError('PASSPHRASE', reason, { cause })
  }
  if (identity.ledger.publicKeyOf(privateKey) !== identity.publicKey) {
    throw new LedgerIdentityError('FORMAT', `the file of ${identity.name} holds another key than it says`)
  }
  return privateKey
}

/** The text of a file. */
export function encodeKeyFile({ identity, sealed }: KeyFile): string {
  const { name, ledger, address, publicKey, createdAt } = identity
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const file = {
    parleyIdentity: VERSION,
    name,
    ledger: ledger.ledgerId,
    address,
    publicKey,
    createdAt: new Date(createdAt).toISOString(),
    key: {
      kdf: { name: 'scrypt', ...sealed.cost, salt: base64(sealed.salt) },
      cipher: { name: 'aes-256-gcm', nonce: base64(sealed.nonce) },
      ciphertext: base64(sealed.ciphertext),
    },
  }
  return `${JSON.stringify(file, undefined, 2)}\n`
}

/**
 * Reads the text of a file; checks all that can be checked without the passphrase.
 * @throws LedgerIdentityError FORMAT
 */
export function decodeKeyFile(text: string): KeyFile {
  const fields = JsonFields.parse(text)
  if (fields.number('parleyIdentity') !== VERSION) {
    throw new LedgerIdentityError('FORMAT', 'the file is of a newer version, or no identity')
  }
  const ledger = ledgerOf(fields.text('ledger'))
  if (!ledger) throw new LedgerIdentityError('FORMAT', 'the ledger of the file is unknown')
  const identity = {
    name: fields.text('name'),
    ledger,
    address: fields.text('address'),
    publicKey: fields.text('publicKey'),
    createdAt: Date.parse(fields.text('createdAt')),
  }
  if (Number.isNaN(identity.createdAt) || ledger.addressOf(identity.publicKey) !== identity.address) {
    throw new LedgerIdentityError('FORMAT', 'the file contradicts itself')
  }
  return { identity, sealed: decodeSealed(fields.object('key')) }
}

function decodeSealed(key: JsonFields): SealedKey {
  const kdf = key.object('kdf')
  const cipher = key.object('cipher')
  if (kdf.text('name') !== 'scrypt' || cipher.text('name') !== 'aes-256-gcm') {
    throw new LedgerIdentityError('FORMAT', 'the key is sealed in an unknown way')
  }
  return {
    cost: { N: kdf.number('N'), r: kdf.number('r'), p: kdf.number('p') },
    salt: kdf.bytes('salt', 'base64'),
    nonce: cipher.bytes('nonce', 'base64', NONCE_LENGTH),
    ciphertext: key.bytes('ciphertext', 'base64', KEY_LENGTH + TAG_LENGTH),
  }
}

function associatedData({ name, ledger, address, publicKey }: PublicIdentity): Uint8Array {
  return Buffer.from(JSON.stringify(['parley-identity', VERSION, name, ledger.ledgerId, address, publicKey]))
}
