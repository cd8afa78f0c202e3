import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { PipeEntry } from '@parley/acn/client'
import { AcnNode, runNodeProcess } from '@parley/acn/node'
import { ENV, NodeSettingsError } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { folderOf, newIdentity, peerSettings, startNode } from './network.ts'

test('the multiaddrs are printed before the agent is connected to, and a signal ends the node in order', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const lines: string[] = []
  const linesAtConnect = once(server, 'connection').then(([socket]) => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    return [...lines]
  })
  const identity = newIdentity()
  const peerKey = randomBytes(32)
  const settings = {
    ...peerSettings([], { peerKey }),
    pipe: { agentAddress: identity.address, port: address.port },
    record: await identity.recordFor(new PeerKey(peerKey).publicKeyHex),
  }
  const stop = new AbortController()
  const process = runNodeProcess(
    { settings, dataFolder: await folderOf(t) },
    { print: (line) => lines.push(line), stop: stop.signal },
  )
  const [start, multiaddr, end] = await linesAtConnect
  assert.deepEqual([start, end], ['MULTIADDRS_LIST_START', 'MULTIADDRS_LIST_END'])
  assert.match(multiaddr ?? '', /^\/dns4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/16Uiu2HA/)
  stop.abort(new Error('SIGTERM'))
  await process
})

test('a record of another peer keeps the node from starting', async (t) => {
  const identity = newIdentity()
  const record = await identity.recordFor(new PeerKey(randomBytes(32)).publicKeyHex)
  const settings = { ...peerSettings(), pipe: { agentAddress: identity.address, port: 1 }, record }
  await assert.rejects(
    AcnNode.start({ settings, dataFolder: await folderOf(t) }),
    (error) => error instanceof NodeSettingsError && error.variable === ENV.recordSignature,
  )
})

test('a node waits for an entry peer that starts after it, and says so once', async (t) => {
  const entry = await PipeEntry.listen()
  await entry.close()
  const place = { host: '127.0.0.1', port: entry.port }
  const entryKey = randomBytes(32)
  const { peerId } = new PeerKey(entryKey)
  const lines: string[] = []
  const failed = Promise.withResolvers<void>()
  const starting = startNode(t, peerSettings([], { entryPeers: [{ protocol: 'dns4', ...place, peerId }] }), {
    log: (_, line) => {
      lines.push(line)
      failed.resolve()
    },
  })
  await failed.promise
  const first = await startNode(t, peerSettings([], { peerKey: entryKey, listen: place, publicUri: place }))
  const node = await starting
  assert.deepEqual(node.host.connectedEntryPeers, [first.host.peerId])
  assert.deepEqual(lines, ['joining failed, trying on: JoinError', 'joined'])
})
