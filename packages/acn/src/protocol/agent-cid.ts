import { hash } from 'node:crypto'
import { base58 } from '@scure/base'

/** Multihash "sha2-256" of 32 bytes. */
const SHA256_PREFIX = Uint8Array.of(0x12, 0x20)

/** The key of an agent's address in the DHT, 34 bytes: the SHA-256 multihash of its UTF-8 text, `spec/acn.md §6`. */
export function agentMultihash(address: string): Uint8Array {
  return Uint8Array.of(...SHA256_PREFIX, ...hash('sha256', address, 'buffer'))
}

/** The CID (version 0, `Qm…`) of an agent's address. */
export function agentCid(address: string): string {
  return base58.encode(agentMultihash(address))
}
