import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { AcnNode } from '@parley/acn/node'
import { STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { until } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { folderOf, newIdentity, numbered, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

/** Far above what a node needs to stop, below the 20 s of a look-up that nobody gives up. */
const STOPS_WITHIN = 10_000

async function assertStopsSoon(stop: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  await stop()
  assert.ok(performance.now() - started < STOPS_WITHIN)
}

test('a node stopped from several sides at once, with everything under way, stops once, in order and soon', async (t) => {
  const other = await startNode(t, peerSettings())
  const settings = peerSettings([other], { mailbox: { host: '127.0.0.1', port: 0 } })
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder })
  const identity = newIdentity()
  const [sender, receiver] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, other, identity)]
  const posted = await TestAgent.mailbox(t, node)
  const [words, lost] = [numbered(300), newIdentity().address]
  // Over the link to the other node, to nobody (looked up all the time), and a mailbox that waits for its answer.
  const answered = words.map((word) => sender.send(receiver, word).catch(() => undefined))
  assert.equal(await posted.send(lost, 'to nobody'), STATUS.SUCCESS)
  await receiver.receive(10)
  await assertStopsSoon(() => Promise.all([node.stop(), node.stop(), sender.client.close(), node.stop()]))
  await node.stop()
  await assert.rejects(FramePeer.tcp(node.delegatePort ?? 0))

  // What was accepted is there, or has arrived.
  const codes = await Promise.all(answered)
  const accepted = codes.filter((code) => code === STATUS.SUCCESS).length
  const again = await startNode(t, settings, { dataFolder })
  assert.ok(again.router.waiting >= 1, 'what is for nobody is kept')
  assert.deepEqual(await receiver.receive(Math.max(0, accepted - 10)), words.slice(10, Math.max(10, accepted)))
})

test('a node is stopped while it starts: with an agent that does not come, and a relay client without a relay', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  await new Promise((listening) => silent.once('listening', listening))
  const { port } = silent.address() as import('node:net').AddressInfo
  await new Promise((closed) => silent.close(closed))
  const identity = newIdentity()
  const peerKey = randomBytes(32)
  const nobody = { protocol: 'dns4' as const, host: '127.0.0.1', port, peerId: new PeerKey(randomBytes(32)).peerId }
  const { publicUri, delegate, ...base } = peerSettings()
  const own = {
    peerKey,
    pipe: { agentAddress: identity.address, port },
    record: await identity.recordFor(new PeerKey(peerKey).publicKeyHex),
  }
  for (const settings of [
    { ...base, ...own, publicUri: { host: '127.0.0.1', port: 0 } },
    { ...base, ...own, entryPeers: [nobody] },
  ]) {
    const stop = new AbortController()
    const dialled = Promise.withResolvers<void>()
    const starting = AcnNode.start(
      { settings, dataFolder: await folderOf(t), log: () => dialled.resolve(), onListening: () => dialled.resolve() },
      stop.signal,
    )
    starting.catch(() => {})
    await dialled.promise
    await assertStopsSoon(async () => {
      stop.abort(new Error('SIGTERM'))
      await assert.rejects(starting)
    })
  }
})

test('a relay client that looks for its relay again is stopped at once', async (t) => {
  const relay = await startNode(t, peerSettings())
  const { node, agent } = await startWithAgent(t, [relay], { relayed: true })
  await relay.stop()
  await until(() => node.host.contact === undefined)
  assert.equal(await agent.send(newIdentity().address, 'kept'), STATUS.SUCCESS)
  await assertStopsSoon(() => node.stop())
})
