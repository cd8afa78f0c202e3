import { BOX_KEY_LENGTH, BOX_TAG_LENGTH, BoxKey, CryptoError, hkdfSha512, NONCE_LENGTH } from '../crypto/index.ts'
import { DecodeError, EncodeError, PAD_OVERHEAD, pad, unpad } from '../encoding/index.ts'
import { BLOCK_SIZE } from './block-connection.ts'
import { TransportError } from './errors.ts'

const FILL = 0x23
const PADDED_LENGTH = BLOCK_SIZE - BOX_TAG_LENGTH
const CHAIN_KEY_LENGTH = 32
const BOX_KEY_END = CHAIN_KEY_LENGTH + BOX_KEY_LENGTH
const STEP_LENGTH = BOX_KEY_END + NONCE_LENGTH
const NO_SALT = new Uint8Array()

/** Largest content of an encrypted block; batches are kept one byte smaller: `spec/smp.md §2.4`. */
export const MAX_ENCRYPTED_BLOCK_CONTENT = PADDED_LENGTH - PAD_OVERHEAD

/** How the content of a connection's blocks is put into {@link BLOCK_SIZE} bytes and taken out. */
export interface BlockSeal {
  /**
   * The block with this content.
   * @throws TransportError LARGE_MSG when it does not fit
   */
  encrypt(content: Uint8Array): Uint8Array
  /** Where the content of a block begins that {@link sealInPlace} is to seal. */
  readonly contentAt: number
  /**
   * As {@link encrypt}, for content that was written to its place in the block: no buffers, no copies.
   * @param block {@link BLOCK_SIZE} bytes
   * @param length bytes of the content
   * @throws TransportError LARGE_MSG when it does not fit
   */
  sealInPlace(block: Uint8Array, length: number): void
  /**
   * The content of a received block: a view of the block, whose bytes are replaced.
   * @throws TransportError BLOCK when it is malformed or not authentic
   */
  decrypt(block: Uint8Array): Uint8Array
}

/** Padding only: handshakes, and all blocks of connections that are not encrypted. `spec/smp.md §2.2`. */
export const paddedBlocks: BlockSeal = {
  encrypt(content) {
    try {
      return pad(content, BLOCK_SIZE)
    } catch (error) {
      throw error instanceof EncodeError ? largeMessage(content.length, error) : error
    }
  },
  contentAt: PAD_OVERHEAD,
  sealInPlace(block, length) {
    if (length > BLOCK_SIZE - PAD_OVERHEAD) throw largeMessage(length)
    block[0] = length >> 8
    block[1] = length & 0xff
    block.fill(FILL, PAD_OVERHEAD + length)
  },
  decrypt(block) {
    if (block.length !== BLOCK_SIZE) throw wrongLength(block)
    try {
      return unpad(block)
    } catch (cause) {
      if (cause instanceof DecodeError) throw new TransportError('BLOCK', 'block is not padded', { cause })
      throw cause
    }
  },
}

/**
 * Encryption of blocks with a chain of keys per direction: `spec/smp.md §2.3`. A chain moves with every block,
 * also one that does not decrypt, so both sides must see the same blocks in the same order.
 */
export class BlockCipher implements BlockSeal {
  readonly contentAt = BOX_TAG_LENGTH + PAD_OVERHEAD
  #sendChain: Uint8Array
  #receiveChain: Uint8Array

  private constructor(sendChain: Uint8Array, receiveChain: Uint8Array) {
    this.#sendChain = sendChain
    this.#receiveChain = receiveChain
  }

  /**
   * @param sessionId session id of the TLS connection, 12 or 32 bytes
   * @param dhSecret X25519 secret of the two handshake keys, 32 bytes
   */
  static create(sessionId: Uint8Array, dhSecret: Uint8Array, side: 'client' | 'server'): BlockCipher {
    const keys = hkdfSha512(sessionId, dhSecret, 'SimpleXSbChainInit', 2 * CHAIN_KEY_LENGTH)
    const first = keys.slice(0, CHAIN_KEY_LENGTH)
    const second = keys.slice(CHAIN_KEY_LENGTH)
    return side === 'server' ? new BlockCipher(first, second) : new BlockCipher(second, first)
  }

  encrypt(content: Uint8Array): Uint8Array {
    if (content.length > MAX_ENCRYPTED_BLOCK_CONTENT) throw largeMessage(content.length)
    const { key, nonce } = this.#nextSend()
    return key.seal(nonce, content, PADDED_LENGTH)
  }

  sealInPlace(block: Uint8Array, length: number): void {
    if (length > MAX_ENCRYPTED_BLOCK_CONTENT) throw largeMessage(length)
    const { key, nonce } = this.#nextSend()
    key.sealInPlace(nonce, block, length)
  }

  #nextSend(): Step {
    const step = advance(this.#sendChain)
    this.#sendChain = step.chain
    return step
  }

  decrypt(block: Uint8Array): Uint8Array {
    const step = advance(this.#receiveChain)
    this.#receiveChain = step.chain
    if (block.length !== BLOCK_SIZE) throw wrongLength(block)
    try {
      return step.key.openInPlace(step.nonce, block)
    } catch (cause) {
      if (cause instanceof CryptoError) throw new TransportError('BLOCK', 'block does not decrypt', { cause })
      throw cause
    }
  }
}

interface Step {
  readonly chain: Uint8Array
  readonly key: BoxKey
  readonly nonce: Uint8Array
}

/** Next chain key, box key and nonce of a chain key: `spec/smp.md §2.3`. */
function advance(chain: Uint8Array): Step {
  const keys = hkdfSha512(NO_SALT, chain, 'SimpleXSbChain', STEP_LENGTH)
  return {
    chain: keys.subarray(0, CHAIN_KEY_LENGTH),
    key: new BoxKey(keys.subarray(CHAIN_KEY_LENGTH, BOX_KEY_END)),
    nonce: keys.subarray(BOX_KEY_END),
  }
}

function largeMessage(length: number, cause?: Error): TransportError {
  return new TransportError('LARGE_MSG', `content of ${length} bytes does not fit a block`, cause && { cause })
}

function wrongLength(block: Uint8Array): TransportError {
  return new TransportError('BLOCK', `block of ${block.length} bytes, not ${BLOCK_SIZE}`)
}
