/**
 * What the network has to know of a ledger. A new one is a file that makes one of these, and a line in
 * `LEDGERS`. All texts are those of records.
 */
export interface Ledger {
  /** `ledgerId` of records. */
  readonly ledgerId: string
  /** The address of a public key; undefined when the text is no public key of this ledger. */
  addressOf(publicKey: string): string | undefined
  /** An address as the network writes it, from one that a person wrote; undefined when the text is none. */
  readAddress(text: string): string | undefined
  /** Whether the signature over `message` is the key's. Never throws, whatever the texts are. */
  verify(publicKey: string, message: Uint8Array, signature: string): boolean
  /**
   * The public key of a private key.
   * @param privateKey 32 bytes
   * @throws RangeError when it is none
   */
  publicKeyOf(privateKey: Uint8Array): string
  /**
   * Signs with a private key of 32 bytes, as the ledger's own programs do, byte for byte.
   * @throws RangeError when the private key is none
   */
  sign(privateKey: Uint8Array, message: Uint8Array): string
}
