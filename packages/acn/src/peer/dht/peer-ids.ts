import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { DecodeError } from '@parley/core/encoding'
import { base58 } from '@scure/base'

const LIMIT = 4096
/** Ids have 53 characters; decoding much longer ones would take long. */
const MAX_TEXT = 128

/**
 * Peer ids of their bytes or texts. A secp256k1 id holds its key, and to check that the key is on the curve takes a
 * millisecond, while the same ids come in every answer of the DHT: the last ones are remembered.
 */
export class PeerIds {
  readonly #known = new Map<string, PeerId>()

  /**
   * The peer id of a multihash.
   * @throws DecodeError
   */
  of(multihash: Uint8Array): PeerId {
    return this.parse(base58.encode(multihash))
  }

  /**
   * The peer id of its text.
   * @throws DecodeError
   */
  parse(text: string): PeerId {
    const known = this.#known.get(text)
    if (known) {
      this.#known.delete(text)
      this.#known.set(text, known)
      return known
    }
    const id = read(text)
    this.#known.set(text, id)
    const [oldest] = this.#known.keys()
    if (this.#known.size > LIMIT && oldest !== undefined) this.#known.delete(oldest)
    return id
  }
}

function read(text: string): PeerId {
  try {
    if (text.length > MAX_TEXT) throw new Error('too long')
    return peerIdFromString(text)
  } catch {
    throw new DecodeError('not a peer id', 0)
  }
}
