import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { AcnClient, PipeEntry } from '@parley/acn/client'
import { ENV, STATUS } from '@parley/acn/protocol'
import { createRecord, ledgerOf, PeerKey } from '@parley/acn/record'
import { addressOf, keyOf, World } from '../gateway/world.ts'
import { type Finished, finish, runParley, startParley } from './parley-process.ts'

const PROTOCOL = 'fetchai/default:1.0.0'

/** A node that runs as the Go node does, with a Python agent's side of its pipe. */
async function startNode(t: TestContext, world: World, more: Readonly<Record<string, string>>) {
  const key = new PeerKey(keyOf('peer'))
  const ledger = ledgerOf('fetchai')
  assert.ok(ledger)
  const record = createRecord(ledger, { privateKey: keyOf('agent'), peerPublicKey: key.publicKeyHex })
  const pipe = await PipeEntry.listen()
  t.after(() => pipe.close())
  const folder = join(world.folder, 'records')
  const environment = {
    [ENV.peerKey]: Buffer.from(keyOf('peer')).toString('hex'),
    [ENV.listen]: '127.0.0.1:0',
    [ENV.publicUri]: '127.0.0.1:0',
    [ENV.agentAddress]: record.address,
    [ENV.toNode]: `${pipe.port}`,
    [ENV.toAgent]: `${pipe.port}`,
    [ENV.recordAddress]: record.address,
    [ENV.recordPublicKey]: record.publicKey,
    [ENV.recordPeerPublicKey]: record.peerPublicKey,
    [ENV.recordSignature]: record.signature,
    [ENV.recordServiceId]: record.serviceId,
    [ENV.recordLedgerId]: record.ledgerId,
    [ENV.storagePath]: folder,
    ...more,
  }
  const file = join(world.folder, 'env')
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  await writeFile(file, lines.join('\n'))
  const child = startParley(['acn', file])
  t.after(() => child.kill('SIGKILL'))
  const ended = finish(child)
  const lineOf = async (wanted: string) => {
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      if (line.includes(wanted)) return lines
    }
    throw new Error(`the node ended: ${lines.join('\n')}`)
  }
  const stop = (): Promise<Finished> => {
    child.kill('SIGTERM')
    return ended
  }
  return { pipe, address: record.address, data: `${folder}.parley`, lineOf, ended, stop }
}

test('the agent behind an env file node changes nothing: its envelopes go in private, and are traced', async (t) => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router)
  const bob = await world.parley('bob', 'ethereum', { entry: [peer.multiaddr], smp: [router.address] })
  const node = await startNode(t, world, {
    [ENV.entryPeers]: peer.multiaddr,
    PARLEY_PRIVATE: 'require',
    PARLEY_LOOKUP: 'direct',
    PARLEY_SMP_SERVERS: router.address,
  })
  const running = node.lineOf('Peer running')
  const agent = await AcnClient.connect({ entries: [node.pipe] })
  t.after(() => agent.close())
  const printed = await running
  assert.deepEqual(
    [printed[0], printed[2], printed.at(-1)],
    ['MULTIADDRS_LIST_START', 'MULTIADDRS_LIST_END', 'Peer running'],
  )
  const envelope = { to: bob.address, sender: node.address, protocolId: PROTOCOL, message: Buffer.from('hi'), uri: '' }
  const { code, id } = await agent.send(envelope)
  assert.equal(code, STATUS.SUCCESS)
  for await (const { from, text, way, done } of bob.messages()) {
    assert.deepEqual({ from, text, way }, { from: node.address, text: 'hi', way: 'private' })
    done()
    break
  }
  await bob.send(node.address, 'hello')
  for await (const event of agent.events) {
    if (event.type !== 'envelope') continue
    assert.equal(event.envelope.sender, bob.address)
    break
  }
  const traced = await runParley(['trace', id, '--data', node.data, '--json'])
  assert.equal(traced.code, 0, traced.stderr)
  const trace = JSON.parse(traced.stdout)
  assert.deepEqual([trace.from, trace.to, trace.way], [node.address, bob.address, 'private'])
  assert.equal((await node.stop()).code, 0)
  const after = await runParley(['trace', bob.address, '--data', node.data])
  assert.equal(after.code, 0, after.stderr)
  assert.match(after.stdout, new RegExp(`${node.address} to ${bob.address}\n  private, `))
})

test('without a router the node runs as it did and says so in one line; it does not start when that is not enough', async (t) => {
  await using world = await World.make()
  const node = await startNode(t, world, {})
  const said = node.lineOf('plain way')
  const agent = await AcnClient.connect({ entries: [node.pipe] })
  const lines = await said
  assert.equal(lines.at(-2), 'Peer running')
  assert.match(lines.at(-1) ?? '', /info: all envelopes go the plain way: PARLEY_SMP_SERVERS names no SMP router$/)
  assert.equal((await node.stop()).code, 0)
  await agent.close()

  const refused = await startNode(t, world, { PARLEY_PRIVATE: 'require' })
  const { code, stdout } = await refused.ended
  assert.equal(code, 2)
  assert.match(stdout, /LIBP2P_NODE_PANIC_ERROR : while reading the environment: PARLEY_SMP_SERVERS: needed with/)
})

test('the TOML file of a node says the same', async () => {
  await using world = await World.make()
  const folder = join(world.folder, 'node')
  await mkdir(folder)
  await writeFile(join(folder, 'peer.key'), Buffer.from(keyOf('peer')).toString('hex'))
  const config = join(folder, 'node.toml')
  const node = ['[node]', 'key_file = "peer.key"', 'listen = "127.0.0.1:0"', 'public = "127.0.0.1:0"', 'data = "data"']
  const cases: readonly (readonly [lines: readonly string[], said: RegExp])[] = [
    [['mode = "require"'], /private\.smp: needed for mode = "require"/],
    [['smp = ["http://localhost"]'], /private\.smp: addresses of routers are needed/],
    [['mode = "sometimes"'], /private\.mode: one of prefer, require, off is needed/],
    [[`allow = ["${addressOf('bob', 'fetchai')}"]`], /private\.allow: needs policy = "allow"/],
    [['servers = []'], /private\.servers: unknown key/],
  ]
  for (const [lines, said] of cases) {
    await writeFile(config, [...node, '[private]', ...lines].join('\n'))
    const { code, stdout } = await runParley(['acn', '--config', config])
    assert.equal(code, 2)
    assert.match(stdout, new RegExp(`LIBP2P_NODE_PANIC_ERROR : ${said.source}`))
  }
})
