import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LEDGERS } from '@parley/acn/record'
import { SmpRouter } from '@parley/smp/router'
import Database from 'libsql'
import { IdentityFolder } from '../../src/identity/identity-folder.ts'
import { type DataPaths, dataPaths, prepareDataFolder } from '../../src/node/data-folder.ts'
import type { CheckResult } from '../../src/node/doctor/check.ts'
import { examine } from '../../src/node/doctor/doctor.ts'
import { checkClock, checkNode } from '../../src/node/doctor/system-checks.ts'
import { ParleyNode } from '../../src/node/parley-node.ts'
import { readSettings } from '../../src/node/settings.ts'

const FREE_PORTS = ['[smp]', 'listen = "127.0.0.1:0"', '[acn]', 'listen = "127.0.0.1:0"', 'delegate = "127.0.0.1:0"']

async function nodeFolder(t: TestContext, ...lines: readonly string[]): Promise<DataPaths> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = dataPaths(join(folder, 'data'))
  await prepareDataFolder(paths, { withConfig: false })
  await writeFile(paths.config, lines.join('\n'), { mode: 0o600 })
  return paths
}

/** Checks that are not well, by name. */
function unwell(results: readonly CheckResult[]): Record<string, string> {
  const found = results.filter(({ outcome }) => outcome !== 'ok')
  for (const { name, advice } of found) assert.ok(advice, `${name} needs an advice`)
  return Object.fromEntries(found.map(({ name, outcome }) => [name, outcome]))
}

test('a new node is well, a running one too, and a stopped one again', async (t) => {
  const paths = await nodeFolder(t, ...FREE_PORTS)
  assert.deepEqual(unwell(await examine({ paths })), { 'router keys': 'warning' })
  await using node = await ParleyNode.start({ settings: await readSettings(paths) })
  const running = await examine({ paths })
  assert.deepEqual(unwell(running), {})
  const names = running.map(({ name }) => name)
  for (const name of ['SMP router', 'delegate port', 'process']) assert.ok(names.includes(name), name)
  const [smp, acn] = [node.router?.port, node.acn?.host.port]
  await writeFile(
    paths.config,
    ['[smp]', `listen = "127.0.0.1:${smp}"`, '[acn]', `listen = "127.0.0.1:${acn}"`].join('\n'),
  )
  const answers = await examine({ paths })
  assert.deepEqual(unwell(answers), {})
  for (const name of ['SMP port', 'ACN port', 'announced address']) {
    assert.match(answers.find((result) => result.name === name)?.found ?? '', /answers|reached/, name)
  }
  await node.stop()
  const stopped = await examine({ paths })
  assert.deepEqual(unwell(stopped), {})
  assert.ok(stopped.some(({ name, found }) => name === 'router store' && found.startsWith('whole')))
})

test('there is nothing yet', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = dataPaths(join(folder, 'not', 'there'))
  assert.deepEqual(unwell(await examine({ paths })), { 'data folder': 'warning', configuration: 'warning' })
})

test('ports that others have, peers and routers that do not answer', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as AddressInfo
  // Was free a moment ago, and nobody else on this machine is given it at once.
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port: silent } = gone.address() as AddressInfo
  gone.close()
  await once(gone, 'close')
  const peerId = '16Uiu2HAkzmeJNTb9onPoPvvwVzUaDoGBB7ASYZ4tB1QdecK352eH'
  const routerFolder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
  t.after(() => rm(routerFolder, { recursive: true, force: true }))
  await using router = await SmpRouter.start({ dataDir: routerFolder, host: '127.0.0.1', port: 0 })
  const imposter = router.address.replace(/\/\/[^@]+@/, '//LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@')
  const paths = await nodeFolder(
    t,
    '[smp]',
    `listen = "127.0.0.1:${port}"`,
    `servers = ["${router.address}", "${imposter}"]`,
    '[acn]',
    'listen = "127.0.0.1:0"',
    `entry_peers = ["/ip4/127.0.0.1/tcp/${silent}/p2p/${peerId}", "/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}"]`,
  )
  const results = await examine({ paths })
  assert.deepEqual(unwell(results), {
    'router keys': 'warning',
    'SMP port': 'failed',
    'entry peer': 'warning',
    'SMP router': 'failed',
  })
  const of = (name: string) => results.filter((result) => result.name === name).map(({ outcome }) => outcome)
  assert.deepEqual(of('entry peer'), ['warning', 'ok'])
  assert.deepEqual(of('SMP router'), ['ok', 'failed'])
  const advice = results.find(({ name }) => name === 'SMP port')?.advice
  assert.match(advice ?? '', /smp\.listen/)
})

test('secrets that others can read, damaged and missing keys', async (t) => {
  const paths = await nodeFolder(t, ...FREE_PORTS, '[identity]', 'use = ["alice", "bob"]')
  const [ledger] = LEDGERS
  assert.ok(ledger)
  const identities = new IdentityFolder(paths.identities)
  await identities.create('alice', ledger, 'passphrase')
  await chmod(identities.fileOf('alice'), 0o644)
  await chmod(paths.peerKey, 0o640)
  const results = await examine({ paths })
  const folder = results.find(({ name }) => name === 'data folder')
  assert.equal(folder?.outcome, 'failed')
  assert.ok(folder.advice?.includes(paths.peerKey) && folder.advice.includes(identities.fileOf('alice')))
  assert.match(results.find(({ name }) => name === 'identities')?.found ?? '', /no identity bob/)
  await chmod(paths.peerKey, 0o600)
  await chmod(identities.fileOf('alice'), 0o600)
  await chmod(paths.folder, 0o755)
  await writeFile(identities.fileOf('bob'), '{}', { mode: 0o600 })
  assert.deepEqual(unwell(await examine({ paths })), {
    'data folder': 'warning',
    'router keys': 'warning',
    identities: 'failed',
  })
  await writeFile(paths.peerKey, '00'.repeat(32))
  assert.equal(unwell(await examine({ paths }))['peer key'], 'failed')
  await rm(paths.peerKey)
  assert.equal(unwell(await examine({ paths })).configuration, 'failed')
  await writeFile(paths.config, 'nonsense')
  assert.equal(unwell(await examine({ paths })).configuration, 'failed')
})

test('files with passphrases are there, not empty, and read by their owner alone', async (t) => {
  const paths = await nodeFolder(t, '[data]', 'passphrase_file = "agent.passphrase"', ...FREE_PORTS)
  const file = join(paths.folder, 'agent.passphrase')
  assert.equal(unwell(await examine({ paths }))['passphrase file'], 'failed')
  await writeFile(file, '\n', { mode: 0o644 })
  const results = unwell(await examine({ paths }))
  assert.deepEqual([results['passphrase file'], results['data folder']], ['failed', 'failed'])
  await writeFile(file, 'correct horse\n')
  await chmod(file, 0o600)
  assert.deepEqual(unwell(await examine({ paths })), { 'router keys': 'warning' })
})

test('stores of a newer version, and damaged ones', async (t) => {
  const paths = await nodeFolder(t, ...FREE_PORTS)
  const node = await ParleyNode.start({ settings: await readSettings(paths) })
  await node.stop()
  const database = new Database(join(paths.acn, 'acn-node.db'))
  database.exec('PRAGMA user_version = 99')
  database.close()
  await writeFile(paths.agent, 'x'.repeat(8192))
  await rm(join(paths.router, 'server.key'))
  const results = unwell(await examine({ paths }))
  assert.deepEqual(results, { 'router keys': 'failed', 'ACN store': 'failed', 'agent store': 'failed' })
})

test('a clock that is wrong, by the files and by a time server', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-doctor-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'file')
  await mkdir(join(folder, 'other'))
  await writeFile(file, '')
  const now = Date.now()
  assert.equal((await checkClock([file, join(folder, 'missing')], undefined, now)).outcome, 'ok')
  await utimes(file, now / 1000 + 3600, now / 1000 + 3600)
  assert.equal((await checkClock([file], undefined, now)).outcome, 'failed')

  for (const [ahead, outcome] of [
    [0, 'ok'],
    [60, 'warning'],
    [-3600, 'failed'],
  ] as const) {
    const server = createSocket('udp4')
    server.on('message', (question, from) => {
      assert.equal(question.length, 48)
      const answer = Buffer.alloc(48)
      answer[1] = 1
      answer.writeUInt32BE(Math.floor(Date.now() / 1000) - ahead + 2_208_988_800, 40)
      server.send(answer, from.port, from.address)
    })
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    const result = await checkClock([], `127.0.0.1:${server.address().port}`)
    assert.equal(result.outcome, outcome, result.found)
    server.close()
  }
  assert.equal((await checkClock([], '127.0.0.1:1')).outcome, 'warning')
})

test('an old Node', () => {
  assert.equal(checkNode('22.1.0').outcome, 'failed')
  assert.equal(checkNode().outcome, 'ok')
})

test('an agent card that the node would not start with', async (t) => {
  const paths = await nodeFolder(t, '[acn]', 'on = false', '[identity]', 'use = ["alice"]', 'agent_card = "card.json"')
  const [ledger] = LEDGERS
  assert.ok(ledger)
  await new IdentityFolder(paths.identities).create('alice', ledger, 'correct horse')
  const card = async () => (await examine({ paths })).find(({ name }) => name === 'agent card')
  assert.equal((await card())?.outcome, 'failed')
  const file = join(paths.folder, 'card.json')
  await writeFile(file, 'secretsecret')
  const damaged = await card()
  assert.equal(damaged?.outcome, 'failed')
  assert.ok(!damaged.found.includes('secret'))
  await writeFile(file, '{"name":"Alice"}')
  assert.equal((await card())?.outcome, 'ok')
})
