import { AcnClient, NodeEntry } from '@parley/acn/client'
import { AcnNode } from '@parley/acn/node'
import { Agent } from '@parley/agent'
import { encodeSignedCard } from '../../src/card/index.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { contactsOf, identityOf, keyOf } from './world.ts'

/**
 * A peer with a gateway and an agent in a process of its own, which kills itself at a step of making the agent's contact,
 * of forgetting it, or, with `renew` as the last argument, of renewing it. Arguments: folder, router, step or `-`. Says
 * what it has in a line of JSON when all is made, and again when it is renewed.
 */
const [folder = '', router = '', step = '-', order] = process.argv.slice(2)

/** Steps are counted once there is a contact, when it is to be renewed. */
let isCounting = order !== 'renew'
const agent = await Agent.open({ store: `${folder}/agent.db`, servers: [router], config: { kemPoolSize: 1 } })
let gateway: Gateway | undefined
const node = await AcnNode.start({
  settings: {
    peerKey: keyOf('peer'),
    listen: { host: '127.0.0.1', port: 0 },
    publicUri: { host: '127.0.0.1', port: 0 },
    entryPeers: [],
    registrationDelay: 0,
  },
  dataFolder: `${folder}/acn`,
  carrier: async (parts) => {
    gateway = await Gateway.open(
      {
        agent,
        folder,
        mode: 'prefer',
        lookup: 'direct',
        onStep: (done) => {
          if (isCounting && done === step) process.kill(process.pid, 'SIGKILL')
        },
      },
      parts,
    )
    return gateway
  },
})
const identity = identityOf('agent', 'ethereum')
const record = await identity.recordFor(node.key.publicKeyHex)
const client = await AcnClient.connect({ entries: [new NodeEntry({ handler: node.router, record })] })
await gateway?.whenReady(identity.address, 60_000)
const contacts = () => contactsOf({ agent })

async function tell(): Promise<void> {
  // What a crash has left is deleted meanwhile.
  for (let i = 0; (await contacts()) > 1 && i < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  const signed = gateway?.cardOf(identity.address)
  const found = await gateway?.directory.find(identity.address, { privacy: 'direct', fresh: true })
  const link = await agent.readShortLink(signed?.card.contactLink ?? '')
  const line = {
    contacts: await contacts(),
    card: signed && Buffer.from(encodeSignedCard(signed)).toString('hex'),
    linked: Buffer.from(link.userData).toString('hex'),
    served: found && Buffer.from(encodeSignedCard(found.card.signed)).toString('hex'),
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

await tell()
if (order === 'renew') {
  isCounting = true
  await gateway?.renewContact(identity.address)
  await tell()
}
if (step === 'contact forgotten') {
  gateway?.onMoved(identity.address)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}
await client.close()
await node.stop()
await agent.close()
