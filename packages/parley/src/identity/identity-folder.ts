import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ledger } from '@parley/acn/record'
import { writeWhole } from '../files/write-whole.ts'
import { LedgerIdentityError } from './identity-error.ts'
import {
  decodeKeyFile,
  encodeKeyFile,
  type KeyFile,
  openKeyFile,
  type PublicIdentity,
  sealKeyFile,
} from './key-file.ts'
import { LedgerIdentity } from './ledger-identity.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const SUFFIX = '.json'
const CARD_SUFFIX = '.card'

/** One file of the folder: an identity, or why it is none. */
export type ListedIdentity =
  | { readonly file: string; readonly identity: PublicIdentity }
  | { readonly file: string; readonly error: LedgerIdentityError }

/**
 * A folder of ledger identities, one file each, its key encrypted with a passphrase. What is public can be read without
 * one.
 */
export class IdentityFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** The file of a name, whether it is there or not. */
  fileOf(name: string): string {
    if (!NAME.test(name)) {
      throw new LedgerIdentityError('NAME', 'a name is up to 64 letters, digits, dots, hyphens and underscores')
    }
    return join(this.path, `${name}${SUFFIX}`)
  }

  /** The file of the newest contact card that was signed for a name, whether it is there or not. */
  cardFileOf(name: string): string {
    return this.fileOf(name).slice(0, -SUFFIX.length) + CARD_SUFFIX
  }

  /** All of them by name, damaged ones too; none when there is no folder. */
  async list(): Promise<ListedIdentity[]> {
    let files: string[]
    try {
      files = await readdir(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    const names = files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length))
    const listed = names.filter((name) => NAME.test(name)).sort()
    return Promise.all(
      listed.map(async (name) => {
        const file = this.fileOf(name)
        try {
          return { file, identity: (await this.#read(name)).identity }
        } catch (error) {
          if (error instanceof LedgerIdentityError) return { file, error }
          throw error
        }
      }),
    )
  }

  /**
   * The public part of the identity with this name or address.
   * @throws LedgerIdentityError NOT_FOUND, AMBIGUOUS (several of this address), FORMAT, NAME
   */
  async find(nameOrAddress: string): Promise<PublicIdentity> {
    const named = NAME.test(nameOrAddress) ? await this.#readIfThere(nameOrAddress) : undefined
    if (named) return named.identity
    const found = (await this.list()).flatMap((listed) => ('identity' in listed ? [listed.identity] : []))
    const [first, second] = found.filter(({ address }) => address === nameOrAddress)
    if (!first) throw new LedgerIdentityError('NOT_FOUND', `no identity ${nameOrAddress} in ${this.path}`)
    if (second)
      throw new LedgerIdentityError('AMBIGUOUS', `${first.name} and ${second.name} have this address: say which`)
    return first
  }

  /**
   * Makes a new key.
   * @throws LedgerIdentityError NAME, EXISTS, PASSPHRASE (empty)
   */
  create(name: string, ledger: Ledger, passphrase: string): Promise<LedgerIdentity> {
    return this.add(name, ledger, newPrivateKey(ledger), passphrase)
  }

  /**
   * Keeps a key under a name.
   * @param privateKey 32 bytes
   * @throws LedgerIdentityError NAME, EXISTS, PASSPHRASE (empty), KEY
   */
  async add(name: string, ledger: Ledger, privateKey: Uint8Array, passphrase: string): Promise<LedgerIdentity> {
    const file = this.fileOf(name)
    if (passphrase === '') throw new LedgerIdentityError('PASSPHRASE', 'a key is not kept without a passphrase')
    const identity = publicIdentity(name, ledger, privateKey)
    const sealed = await sealKeyFile(identity, privateKey, passphrase)
    await mkdir(this.path, { recursive: true, mode: 0o700 })
    if (!(await writeWhole(file, encodeKeyFile(sealed), { replace: false }))) {
      throw new LedgerIdentityError('EXISTS', `there is an identity ${name} in ${this.path}`)
    }
    return new LedgerIdentity(identity, privateKey)
  }

  /**
   * The identity with its key.
   * @throws LedgerIdentityError NOT_FOUND, AMBIGUOUS, PASSPHRASE, FORMAT, NAME
   */
  async unlock(nameOrAddress: string, passphrase: string): Promise<LedgerIdentity> {
    const { name } = await this.find(nameOrAddress)
    const file = await this.#read(name)
    return new LedgerIdentity(file.identity, await openKeyFile(file, passphrase))
  }

  async #readIfThere(name: string): Promise<KeyFile | undefined> {
    try {
      return await this.#read(name)
    } catch (error) {
      if (error instanceof LedgerIdentityError && error.code === 'NOT_FOUND') return undefined
      throw error
    }
  }

  async #read(name: string): Promise<KeyFile> {
    let text: string
    try {
      text = await readFile(this.fileOf(name), 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
      throw new LedgerIdentityError('NOT_FOUND', `no identity ${name} in ${this.path}`, { cause })
    }
    const file = decodeKeyFile(text)
    if (file.identity.name !== name) throw new LedgerIdentityError('FORMAT', `the file of ${name} is called otherwise`)
    return file
  }
}

function publicIdentity(name: string, ledger: Ledger, privateKey: Uint8Array): PublicIdentity {
  try {
    const publicKey = ledger.publicKeyOf(privateKey)
    return { name, ledger, publicKey, address: ledger.addressOf(publicKey) ?? '', createdAt: Date.now() }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new LedgerIdentityError('KEY', `not a private key of ${ledger.ledgerId}`, { cause })
  }
}

/** A new private key of a ledger, 32 bytes. */
export function newPrivateKey(ledger: Pick<Ledger, 'publicKeyOf'>): Uint8Array {
  for (;;) {
    const privateKey = new Uint8Array(randomBytes(32))
    try {
      ledger.publicKeyOf(privateKey)
      return privateKey
    } catch (error) {
      // One number in 2^128 is no key.
      if (!(error instanceof RangeError)) throw error
    }
  }
}
