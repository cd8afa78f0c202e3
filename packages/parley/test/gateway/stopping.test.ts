import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AcnNode } from '@parley/acn/node'
import { Agent } from '@parley/agent'
import { GatewayMaker } from '../../src/gateway/gateway-maker.ts'
import { World } from './world.ts'

test('a gateway whose folder is gone ends its agent all the same', { timeout: 60_000 }, async () => {
  await using world = await World.make()
  const router = await world.router()
  const folder = join(world.folder, 'gone')
  const agent = await Agent.open({ store: join(world.folder, 'agent.db'), servers: [router.address] })
  await using _ = agent
  const maker = new GatewayMaker(async () => ({ agent, ownsAgent: true, folder, mode: 'prefer', lookup: 'direct' }))
  const loopback = { host: '127.0.0.1', port: 0 }
  const node = await AcnNode.start({
    settings: {
      peerKey: randomBytes(32),
      listen: loopback,
      publicUri: loopback,
      delegate: loopback,
      entryPeers: [],
      registrationDelay: 0,
    },
    dataFolder: folder,
    carrier: maker.carrier,
  })
  const bob = await world.parley('bob', 'fetchai', { entry: [node.multiaddr ?? ''], smp: [router.address] })
  await bob.close()
  await rm(folder, { recursive: true, force: true })
  // Stopping a node does not tell that something could not be closed.
  await node.stop()
  await assert.rejects(agent.listConnections(), { message: /INACTIVE/ })
})
