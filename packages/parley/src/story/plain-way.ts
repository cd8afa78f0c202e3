import { DelegateEntry } from '@parley/acn/client'
import { DemoAgent } from '../demo/demo-agent.ts'
import type { StoryPeer } from './network.ts'

/** Sends one text from an agent at a peer to one at another as agents do it today, and returns what arrived. */
export async function sendPlainly(from: StoryPeer, to: StoryPeer, text: string): Promise<string> {
  const [carol, dave] = [new DemoAgent('Carol', 'delegate', 'fetchai'), new DemoAgent('Dave', 'delegate', 'cosmos')]
  try {
    await carol.connect([entryAt(from, carol)])
    await dave.connect([entryAt(to, dave)])
    await carol.send(dave, text)
    return (await dave.receives(carol, text)).text
  } finally {
    await carol.close()
    await dave.close()
  }
}

function entryAt({ node, delegatePort: port }: StoryPeer, { identity }: DemoAgent): DelegateEntry {
  return new DelegateEntry({ host: '127.0.0.1', port, peerPublicKey: node.host.publicKey, identity })
}
