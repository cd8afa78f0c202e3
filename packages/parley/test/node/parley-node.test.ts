import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AcnClient, DelegateEntry, identityFromKey } from '@parley/acn/client'
import { STATUS } from '@parley/acn/protocol'
import { LEDGERS } from '@parley/acn/record'
import { StoreError } from '@parley/agent'
import { SmpRouter, StoreLockedError } from '@parley/smp/router'
import { LedgerIdentityError } from '../../src/identity/identity-error.ts'
import { IdentityFolder, newPrivateKey } from '../../src/identity/identity-folder.ts'
import { askNode } from '../../src/node/control-socket.ts'
import { dataPaths, prepareDataFolder } from '../../src/node/data-folder.ts'
import { ParleyNode } from '../../src/node/parley-node.ts'
import { type ParleySettings, readSettings } from '../../src/node/settings.ts'
import { stoppedStatus } from '../../src/node/status.ts'
import { SettingsError } from '../../src/node/toml-values.ts'

/** Without private channels, for which the node makes connections of its own. */
const PLAIN = ['[private]', 'mode = "off"']
const FREE_PORTS = ['[smp]', 'listen = "127.0.0.1:0"', '[acn]', 'listen = "127.0.0.1:0"', 'delegate = "127.0.0.1:0"']

async function settingsOf(t: TestContext, ...lines: readonly string[]): Promise<ParleySettings> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = dataPaths(join(folder, 'data'))
  await prepareDataFolder(paths, { withConfig: false })
  await writeFile(paths.config, lines.join('\n'))
  return readSettings(paths)
}

test('one process is a router, a peer with its services, and an agent; its status counts them', async (t) => {
  await using node = await ParleyNode.start({ settings: await settingsOf(t, ...FREE_PORTS, ...PLAIN) })
  const created = await node.agent.createConnection({ mode: 'invitation' })
  assert.ok(node.router && created.link.includes(`${node.router.port}`))

  const [ledger] = LEDGERS
  const delegatePort = node.acn?.delegatePort
  assert.ok(ledger && delegatePort && node.acn)
  const identity = identityFromKey(ledger, newPrivateKey(ledger))
  const at = { host: '127.0.0.1', port: delegatePort, peerPublicKey: node.acn.key.publicKeyHex }
  const client = await AcnClient.connect({ entries: [new DelegateEntry({ ...at, identity })] })
  t.after(() => client.close())
  const { address } = await identity.recordFor(node.acn.key.publicKeyHex)
  const envelope = { to: address, sender: address, protocolId: 'a/b:1.0.0', message: Buffer.from('x'), uri: '' }
  assert.equal((await client.send(envelope)).code, STATUS.SUCCESS)

  const status = await node.status()
  assert.deepEqual([status.smp.queues, status.smp.connections], [1, 1])
  assert.deepEqual(status.agent, { connections: 1, connected: 0 })
  assert.equal(status.acn?.agents, 1)
  assert.deepEqual(await askNode(node.settings.paths.folder, 'status'), await node.status())
})

test('what it is stays the same over a restart', async (t) => {
  const settings = await settingsOf(t, ...FREE_PORTS, ...PLAIN)
  await using first = await ParleyNode.start({ settings })
  const identities = [first.router?.fingerprint, first.acn?.host.peerId]
  const { connId } = await first.agent.createConnection({ mode: 'contact' })
  await first.stop()
  await first.stop()
  await using second = await ParleyNode.start({ settings })
  assert.deepEqual([second.router?.fingerprint, second.acn?.host.peerId], identities)
  assert.deepEqual(
    (await second.agent.listConnections()).map((connection) => connection.connId),
    [connId],
  )
})

test('a folder is one node’s alone, and what was started is stopped when something cannot', async (t) => {
  const settings = await settingsOf(t, ...FREE_PORTS)
  await using node = await ParleyNode.start({ settings })
  await assert.rejects(ParleyNode.start({ settings }), StoreLockedError)
  const { router: _, ...smp } = settings.smp
  const withoutRouter = { ...settings, smp: { ...smp, servers: [node.router?.address ?? ''] } }
  await assert.rejects(ParleyNode.start({ settings: withoutRouter }), StoreError)
  assert.ok(await askNode(settings.paths.folder, 'status'))
  await node.stop()

  const other = await SmpRouter.start({ dataDir: join(settings.paths.folder, 'other'), host: '127.0.0.1', port: 0 })
  const taken = { listen: { host: '127.0.0.1', port: other.port } }
  await assert.rejects(ParleyNode.start({ settings: { ...settings, smp: { ...settings.smp, router: taken } } }))
  await other.close()
  const stop = new AbortController()
  stop.abort(new Error('stopped before'))
  await assert.rejects(ParleyNode.start({ settings }, stop.signal), /stopped before/)
  // Nothing was left open.
  await (await ParleyNode.start({ settings })).stop()
})

test('a node without a router of its own, and one without a peer', async (t) => {
  await using router = await SmpRouter.start({
    dataDir: join((await settingsOf(t)).paths.folder, 'router'),
    host: '127.0.0.1',
    port: 0,
  })
  const off = await settingsOf(t, '[smp]', 'on = false', `servers = ["${router.address}"]`, '[acn]', 'on = false')
  await using node = await ParleyNode.start({ settings: off })
  await node.agent.createConnection({ mode: 'invitation' })
  const status = await node.status()
  assert.deepEqual(status.smp, { servers: [router.address] })
  assert.equal(status.acn, undefined)
  assert.equal((await router.inspect()).totals.queues, 1)
})

test('the identities that it uses are unlocked at the start', async (t) => {
  const settings = await settingsOf(t, ...FREE_PORTS, '[identity]', 'use = ["alice"]')
  const [ledger] = LEDGERS
  assert.ok(ledger)
  const folder = new IdentityFolder(settings.paths.identities)
  const alice = await folder.create('alice', ledger, 'correct horse')
  await folder.create('unused', ledger, 'another')
  await assert.rejects(ParleyNode.start({ settings }), SettingsError)
  await assert.rejects(ParleyNode.start({ settings, passphrase: async () => 'wrong' }), LedgerIdentityError)
  await using node = await ParleyNode.start({ settings, passphrase: async () => 'correct horse' })
  const [unlocked] = node.identities
  const message = Buffer.from('message')
  assert.ok(unlocked && ledger.verify(alice.publicKey, message, unlocked.sign(message)))
  const { identities } = await node.status()
  assert.deepEqual(
    identities.map(({ name, used }) => [name, used]),
    [
      ['alice', true],
      ['unused', false],
    ],
  )
  assert.deepEqual((await stoppedStatus(settings)).identities, identities)
})

test('an agent card is checked at the start', async (t) => {
  const settings = await settingsOf(t, ...FREE_PORTS, '[identity]', 'use = ["alice"]', 'agent_card = "card.json"')
  const refused: readonly (readonly [contents: string | undefined, reason: RegExp])[] = [
    [undefined, /cannot be read: ENOENT/],
    ['', /no JSON object/],
    ['{"name":"secretsecret"', /no JSON object/],
    ['["secretsecret"]', /no JSON object/],
    [JSON.stringify({ name: 'x'.repeat(8192) }), /has 8203 bytes; at most 8192/],
  ]
  for (const [contents, reason] of refused) {
    if (contents !== undefined) await writeFile(join(settings.paths.folder, 'card.json'), contents)
    await assert.rejects(ParleyNode.start({ settings, passphrase: async () => 'unused' }), (error) => {
      assert.ok(error instanceof SettingsError && error.key === 'identity.agent_card', `${error}`)
      assert.match(error.message, reason)
      return !error.message.includes('secretsecret')
    })
  }
})

test('passphrase and password of files: the agent’s database is encrypted, the router asks for the password', async (t) => {
  const settings = await settingsOf(
    t,
    ...['[data]', 'passphrase_file = "agent.passphrase"'],
    ...['[smp]', 'listen = "127.0.0.1:0"', 'password_file = "password"', '[acn]', 'on = false'],
  )
  await assert.rejects(ParleyNode.start({ settings }), (error) => {
    return error instanceof SettingsError && error.key === 'smp.password_file'
  })
  const { folder } = settings.paths
  await writeFile(join(folder, 'password'), 'letmein\n')
  await writeFile(join(folder, 'agent.passphrase'), 'correct horse\n')
  await using node = await ParleyNode.start({ settings })
  assert.match(node.router?.address ?? '', /:letmein@/)
  await node.agent.createConnection({ mode: 'invitation' })
  await node.stop()
  await writeFile(join(folder, 'agent.passphrase'), 'wrong\n')
  await assert.rejects(ParleyNode.start({ settings }), (error) => {
    return error instanceof StoreError && error.code === 'PASSPHRASE'
  })
})
