import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { PipeEntry } from '@parley/acn/client'
import type { AcnNode } from '@parley/acn/node'
import { STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { until } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { newIdentity, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function get(port: number | undefined, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, text: await response.text() }
}

/** The value of each sample that a node shows, by name and labels. */
async function scrape({ monitoringPort }: AcnNode): Promise<Map<string, number>> {
  const { status, text } = await get(monitoringPort, '/metrics')
  assert.equal(status, 200)
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

async function assertMetrics(node: AcnNode, expected: Readonly<Record<string, number>>): Promise<void> {
  const samples = await scrape(node)
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, samples.get(name)])), expected)
}

test('the metrics of the Go node count delegates, relay clients, the own agent and mailboxes', async (t) => {
  const { node, agent: direct } = await startWithAgent(t, [], { mailbox: LOOPBACK, monitoring: LOOPBACK })
  const identity = newIdentity()
  const delegate = await TestAgent.delegate(t, node, identity)
  const posted = await TestAgent.mailbox(t, node)
  const relayed = await TestAgent.relay(t, [node])
  await assertMetrics(node, {
    acn_service_delegate_clients_count: 1,
    acn_service_delegate_clients_count_all: 1,
    acn_service_relay_clients_count: 1,
    acn_service_relay_clients_count_all: 1,
    acn_op_latency_register_count: 4,
    acn_op_route_count_all: 0,
    acn_op_latency_route_count: 0,
  })

  for (const [from, to] of [
    [delegate, direct],
    [posted, delegate],
    [direct, posted],
    [direct, relayed],
    [relayed, delegate],
  ] as const) {
    assert.equal(await from.send(to, 'words'), STATUS.SUCCESS)
    assert.deepEqual(await to.receive(), ['words'])
  }
  await delegate.send(direct, 'forged', posted.address)
  await delegate.send(newIdentity().address, 'for nobody')
  // The last answer of an agent may still be on its way, and the first look-up.
  await until(() => node.router.waiting === 1)
  await assertMetrics(node, {
    // What a relay client sends is routed by itself; what is refused is not routed.
    acn_op_route_count_all: 5,
    acn_op_route_count_success: 4,
    acn_op_route_count: 1,
    acn_op_latency_route_count: 4,
    'acn_op_latency_route_bucket{le="+Inf"}': 4,
    'parley_acn_not_delivered_total{reason="wrong-sender"}': 1,
    parley_acn_waiting_envelopes: 1,
  })

  await delegate.client.close()
  await until(async () => (await scrape(node)).get('acn_service_delegate_clients_count') === 0)
  await TestAgent.delegate(t, node, identity)
  await assertMetrics(node, { acn_service_delegate_clients_count: 1, acn_service_delegate_clients_count_all: 2 })
})

test('an envelope that its agent sends again is counted once', async (t) => {
  const node = await startNode(t, peerSettings([], { monitoring: LOOPBACK }))
  const sender = await TestAgent.delegate(t, node)
  const id = randomBytes(16).toString('hex')
  const to = newIdentity()
  const envelope = {
    to: to.address,
    sender: sender.address,
    protocolId: 'a/b:1.0.0',
    message: Buffer.from('x'),
    uri: '',
  }
  for (let i = 0; i < 3; i++) assert.equal((await sender.client.send(envelope, { id })).code, STATUS.SUCCESS)
  const receiver = await TestAgent.delegate(t, node, to)
  assert.deepEqual(await receiver.receive(), ['x'])
  await until(() => node.router.waiting === 0)
  await assertMetrics(node, { acn_op_route_count: 0, acn_op_route_count_success: 1 })
})

test('look-ups and announcements are measured; the process and its kinds of metrics are there', async (t) => {
  const first = await startNode(t, peerSettings())
  const node = await startNode(t, peerSettings([first], { monitoring: LOOPBACK }))
  const [sender, far] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, first)]
  await sender.send(far, 'words')
  assert.deepEqual(await far.receive(), ['words'])
  await until(async () => (await scrape(node)).get('acn_dht_op_latency_store_count') !== 0)
  const samples = await scrape(node)
  assert.ok((samples.get('acn_dht_op_latency_lookup_count') ?? 0) >= 1)
  assert.ok((samples.get('acn_dht_op_latency_lookup_sum') ?? 0) > 10, 'microseconds')
  assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6)
  const { text } = await get(node.monitoringPort, '/metrics')
  for (const [name, kind] of [
    ['acn_dht_op_latency_store', 'histogram'],
    ['acn_dht_op_latency_lookup', 'histogram'],
    ['acn_op_latency_register', 'histogram'],
    ['acn_op_latency_route', 'histogram'],
    ['acn_op_route_count', 'gauge'],
    ['acn_op_route_count_all', 'counter'],
    ['acn_op_route_count_success', 'counter'],
    ['acn_service_delegate_clients_count', 'gauge'],
    ['acn_service_delegate_clients_count_all', 'counter'],
    ['acn_service_relay_clients_count', 'gauge'],
    ['acn_service_relay_clients_count_all', 'counter'],
  ]) {
    assert.match(text, new RegExp(`^# TYPE ${name} ${kind}$`, 'm'))
  }
})

test('a node is alive at once, and ready when its agent is there', async (t) => {
  const identity = newIdentity()
  const peerKey = randomBytes(32)
  const entry = await PipeEntry.listen()
  const { port } = entry
  await entry.close()
  const monitoring = await PipeEntry.listen()
  await monitoring.close()
  const settings = {
    ...peerSettings([], { monitoring: { host: '127.0.0.1', port: monitoring.port } }),
    peerKey,
    pipe: { agentAddress: identity.address, port },
    record: await identity.recordFor(new PeerKey(peerKey).publicKeyHex),
  }
  const listening = Promise.withResolvers<void>()
  const starting = startNode(t, settings, { onListening: () => listening.resolve() })
  await listening.promise
  assert.equal((await get(monitoring.port, '/livez')).status, 200)
  assert.equal((await get(monitoring.port, '/readyz')).status, 503)
  await TestAgent.direct(t, identity, await PipeEntry.listen({ port }))
  await starting
  assert.equal((await get(monitoring.port, '/readyz')).status, 200)
  assert.equal((await get(monitoring.port, '/nothing')).status, 404)
  const posted = await fetch(`http://127.0.0.1:${monitoring.port}/metrics`, { method: 'POST' })
  assert.equal(posted.status, 405)
})

test('monitoring is reached at its own address alone, and names no agent and no peer', async (t) => {
  const node = await startNode(t, peerSettings([], { monitoring: LOOPBACK, listen: { host: '0.0.0.0', port: 0 } }))
  const [one, other] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)]
  await one.send(other, 'words')
  assert.deepEqual(await other.receive(), ['words'])
  const outer = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const hosts = outer.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)
  for (const host of ['127.0.0.2', ...hosts]) {
    const socket = connect({ host, port: node.monitoringPort ?? 0 })
    await assert.rejects(once(socket, 'connect'))
  }
  const { text } = await get(node.monitoringPort, '/metrics')
  for (const name of [one.address, other.address, node.host.peerId, node.key.publicKeyHex, 'fetch1']) {
    assert.ok(!text.includes(name))
  }
})

test('the connection that the Python client opens to see the certificate is not counted as an agent', async (t) => {
  const node = await startNode(t, peerSettings([], { monitoring: LOOPBACK }))
  for (let i = 0; i < 3; i++) {
    const glance = await FramePeer.tls(node.delegatePort ?? 0)
    assert.ok(await glance.frames.take(), 'the signature is written to it too')
    glance.socket.end()
    await glance.ended()
  }
  const agent = await TestAgent.delegate(t, node)
  await assertMetrics(node, { acn_service_delegate_clients_count: 1, acn_service_delegate_clients_count_all: 1 })
  await agent.client.close()
  await until(async () => (await scrape(node)).get('acn_service_delegate_clients_count') === 0)
})
