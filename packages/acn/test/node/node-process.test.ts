import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
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

test('monitoring: metrics under the Go names, liveness, readiness', async (t) => {
  const node = await startNode(t, peerSettings([], { monitoring: { host: '127.0.0.1', port: 0 } }))
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${node.monitoringPort}${path}`)
    return { status: response.status, text: await response.text() }
  }
  const { status, text } = await get('/metrics')
  assert.equal(status, 200)
  for (const name of [
    'acn_dht_op_latency_store',
    'acn_dht_op_latency_lookup',
    'acn_op_latency_register',
    'acn_op_latency_route',
    'acn_op_route_count',
    'acn_op_route_count_all',
    'acn_op_route_count_success',
    'acn_service_delegate_clients_count',
    'acn_service_delegate_clients_count_all',
    'acn_service_relay_clients_count',
    'acn_service_relay_clients_count_all',
    'process_resident_memory_bytes',
  ]) {
    assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'))
  }
  assert.equal((await get('/livez')).status, 200)
  assert.equal((await get('/readyz')).status, 200)
  assert.equal((await get('/nothing')).status, 404)
})
