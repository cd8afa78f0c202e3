import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcnClient, AcnConnectionError, DelegateEntry, identityFromRecords, NodeEntry } from '@parley/acn/client'
import { STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { folderOf, newIdentity, peerSettings, startNode, TestAgent } from './network.ts'

test('what comes for an agent that is the node’s own waits for it from the start, and over a new start', async (t) => {
  const first = await startNode(t, peerSettings())
  const friend = await TestAgent.delegate(t, first)
  const identity = newIdentity()
  const settings = peerSettings([first])
  const record = await identity.recordFor(new PeerKey(settings.peerKey).publicKeyHex)
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder, adopted: [record] })
  assert.equal(await friend.send(identity.address, 'before anybody was there'), STATUS.SUCCESS)
  const copy = identityFromRecords([record])
  await assert.rejects(TestAgent.delegate(t, node, copy), (error) => {
    return error instanceof AggregateError && error.errors[0] instanceof AcnConnectionError
  })
  await node.stop()
  const again = await startNode(t, settings, { dataFolder, adopted: [record] })
  const agent = await TestAgent.delegate(t, again, identity)
  assert.deepEqual(await agent.receive(), ['before anybody was there'])
})

test('an agent that has gone to another peer is not claimed back', async (t) => {
  const first = await startNode(t, peerSettings())
  const identity = newIdentity()
  const settings = peerSettings([first])
  const record = await identity.recordFor(new PeerKey(settings.peerKey).publicKeyHex)
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder, adopted: [record] })
  assert.ok(node.router.isAdopted(identity.address))
  const agent = await TestAgent.delegate(t, first, identity)
  const friend = await TestAgent.delegate(t, node)
  assert.equal(await friend.send(agent, 'there'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['there'])
  await node.stop()
  const again = await startNode(t, settings, { dataFolder, adopted: [record] })
  assert.ok(!again.router.isAdopted(identity.address))
})

test('one that only sends leaves what waits, and whoever has the agent’s envelopes keeps them', async (t) => {
  const node = await startNode(t, peerSettings())
  const friend = await TestAgent.delegate(t, node)
  const identity = newIdentity()
  const { publicKeyHex: peerPublicKey } = node.key
  const port = node.delegatePort ?? 0
  const byDelegate = new DelegateEntry({ host: '127.0.0.1', port, peerPublicKey, identity, sendsOnly: true })
  const record = await identity.recordFor(peerPublicKey)
  const inProcess = new NodeEntry({ handler: node.router, record, sendsOnly: true })
  const agent = await TestAgent.delegate(t, node, identity)
  const words = (message: string) => ({
    ...{ to: friend.address, sender: identity.address, protocolId: 'a/b:1.0.0', uri: '' },
    message: Buffer.from(message),
  })
  // Far more often than an agent may leave an envelope without an answer.
  for (let time = 0; time < 30; time++) {
    for (const [name, entry] of [
      ['delegate', byDelegate],
      ['process', inProcess],
    ] as const) {
      const sender = await AcnClient.connect({ entries: [entry] })
      const message = `${name} ${time}`
      if (time === 15) await friend.send(identity.address, `for the agent, ${name}`)
      assert.equal((await sender.send(words(message))).code, STATUS.SUCCESS)
      await sender.close()
      assert.deepEqual(await friend.receive(), [message])
    }
  }
  assert.deepEqual(await agent.receive(2), ['for the agent, delegate', 'for the agent, process'])
  assert.ok(agent.client.entry !== undefined)
})

test('a node stops while one that only sends is there', async (t) => {
  const node = await startNode(t, peerSettings())
  const at = { host: '127.0.0.1', port: node.delegatePort ?? 0, peerPublicKey: node.key.publicKeyHex }
  const entry = new DelegateEntry({ ...at, identity: newIdentity(), sendsOnly: true })
  const sender = await AcnClient.connect({ entries: [entry], backoff: { firstMs: 20, longestMs: 100 } })
  t.after(() => sender.close())
  await node.stop()
})
