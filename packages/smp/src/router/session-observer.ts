import type { BlockSeal } from '@parley/core/transport'

/** The content of a block of a client's connection: commands or answers, inside of TLS and of the block's encryption. */
export interface ObservedBlock {
  /** Number of the connection, unlike that of any other of this router. */
  readonly connection: number
  readonly direction: 'in' | 'out'
  /** Valid while the observer runs: to be copied by those who keep it. */
  readonly content: Uint8Array
}

/** Is told of all blocks in their order; must not throw. */
export type SessionObserver = (observed: ObservedBlock) => void

/** The same seal; what is sealed and opened with it is told as well. */
export function observedSeal(seal: BlockSeal, connection: number, observe: SessionObserver): BlockSeal {
  const { contentAt } = seal
  return {
    contentAt,
    encrypt(content) {
      observe({ connection, direction: 'out', content })
      return seal.encrypt(content)
    },
    sealInPlace(block, length) {
      observe({ connection, direction: 'out', content: block.subarray(contentAt, contentAt + length) })
      seal.sealInPlace(block, length)
    },
    decrypt(block) {
      const content = seal.decrypt(block)
      observe({ connection, direction: 'in', content })
      return content
    },
  }
}
