import type { Ledger } from '@parley/acn/record'
import type { PublicIdentity } from './key-file.ts'

/** An identity whose key is there: it signs, and never shows the key unless it is exported. */
export class LedgerIdentity implements PublicIdentity {
  readonly name: string
  readonly ledger: Ledger
  readonly address: string
  readonly publicKey: string
  readonly createdAt: number
  readonly #privateKey: Uint8Array

  /** @param privateKey 32 bytes; that of the identity's public key */
  constructor({ name, ledger, address, publicKey, createdAt }: PublicIdentity, privateKey: Uint8Array) {
    this.name = name
    this.ledger = ledger
    this.address = address
    this.publicKey = publicKey
    this.createdAt = createdAt
    this.#privateKey = Uint8Array.from(privateKey)
  }

  /** Signs as the ledger's own programs do; the signature is in the ledger's text form. */
  sign(message: Uint8Array): string {
    return this.ledger.sign(this.#privateKey, message)
  }

  /** The private key, 32 bytes, a copy: to export it. */
  exportPrivateKey(): Uint8Array {
    return Uint8Array.from(this.#privateKey)
  }
}
