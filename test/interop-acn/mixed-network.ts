import { randomBytes } from 'node:crypto'
import { PeerKey } from '@parley/acn/record'
import { FramedAgent } from '../../packages/acn/test/entrance/framed-agent.ts'
import { newRecord, TestPeer } from '../../packages/acn/test/peer/test-peer.ts'
import { GoNode, type GoNodeOptions } from './go-node.ts'

/** Original nodes, peers of ours and agents of both, which all end together. */
export class MixedNetwork {
  readonly #closing: (() => Promise<void> | void)[] = []

  /** A peer of ours that has joined. */
  async ours(options: Parameters<typeof TestPeer.start>[0] = {}): Promise<TestPeer> {
    const peer = await TestPeer.start(options)
    this.#closing.push(() => peer.stop())
    await peer.host.join(AbortSignal.timeout(30_000))
    return peer
  }

  /** An original node, the newer one unless the options name another program. */
  async go(options: Partial<GoNodeOptions> = {}): Promise<GoNode> {
    const node = await GoNode.start({ privateKey: randomBytes(32), ...options })
    this.#closing.push(() => node.stop())
    return node
  }

  async delegateOf(node: GoNode, ledger = 0): Promise<FramedAgent> {
    const agent = await FramedAgent.delegate(newRecord(node.key.publicKeyHex, ledger), node.ports.delegate)
    this.#closing.push(() => agent.close())
    return agent
  }

  /** A relay client of the original's, with its agent. */
  async goClient(entryPeers: string[], program?: string): Promise<FramedAgent> {
    const privateKey = randomBytes(32)
    const record = newRecord(new PeerKey(privateKey).publicKeyHex)
    const { port, connected } = await FramedAgent.pipe(record)
    const pipe = { port, record }
    await this.go({ privateKey, entryPeers, isClient: true, pipe, ...(program !== undefined && { program }) })
    const agent = await connected
    this.#closing.push(() => agent.close())
    return agent
  }

  /** Ends what runs, the last first. */
  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close()
  }
}
