// A node in a process of its own, so that it can be killed: `node node-child.ts FOLDER SETTINGS`. Says its addresses.
import { AcnNode } from '@parley/acn/node'
import type { NodeSettings } from '@parley/acn/protocol'

const [, , dataFolder = '', text = ''] = process.argv
const { peerKey, ...settings } = JSON.parse(text) as NodeSettings & { readonly peerKey: string }
const node = await AcnNode.start({
  settings: { ...settings, peerKey: Buffer.from(peerKey, 'hex') } as unknown as NodeSettings,
  dataFolder,
})
process.stdout.write(`${JSON.stringify({ multiaddr: node.multiaddr, delegatePort: node.delegatePort })}\n`)
