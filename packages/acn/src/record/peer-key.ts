import { toHex } from '@parley/core/encoding'
import { peerIdOf } from '../protocol/index.ts'
import { secp256k1PublicKey, sharedSecret, signSha256, verifySha256 } from './secp256k1.ts'

/** A peer's identity: its secp256k1 key, with the names that follow from it. Never shows the private key. */
export class PeerKey {
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array
  /** Lower-case hexadecimal of {@link publicKey}: `peerPublicKey` of the records that name this peer. */
  readonly publicKeyHex: string
  /** `16Uiu2HA…` */
  readonly peerId: string
  readonly #privateKey: Uint8Array

  /**
   * @param privateKey 32 bytes; copied
   * @throws RangeError when they are no private key
   */
  constructor(privateKey: Uint8Array) {
    this.publicKey = secp256k1PublicKey(privateKey)
    this.#privateKey = Uint8Array.from(privateKey)
    this.publicKeyHex = toHex(this.publicKey)
    this.peerId = peerIdOf(this.publicKey)
  }

  /** The private key, 32 bytes, a copy: for the libp2p host. */
  exportPrivateKey(): Uint8Array {
    return Uint8Array.from(this.#privateKey)
  }

  /** DER signature over SHA-256 of the message: deterministic, as libp2p makes it. */
  sign(message: Uint8Array): Uint8Array {
    return signSha256(this.#privateKey, message, 'der')
  }

  /**
   * The secret (32 bytes) that this peer shares with the owner of a compressed secp256k1 key (33 bytes), from which keys
   * are to be derived. Undefined when the key is none.
   */
  shareSecret(publicKey: Uint8Array): Uint8Array | undefined {
    return sharedSecret(this.#privateKey, publicKey)
  }
}

/** Whether a peer's key (33 bytes) made this DER signature over SHA-256 of the message. Never throws. */
export function verifyPeerSignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verifySha256(publicKey, message, signature, 'der')
}
