import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { prepareDataFolder } from '../../src/node/data-folder.ts'
import { locateData, type ParleySettings, readSettings } from '../../src/node/settings.ts'
import { SettingsError } from '../../src/node/toml-values.ts'

const NOWHERE = join(tmpdir(), 'parley-not-there')
const SERVER = 'smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:5223'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-settings-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Reads a configuration of these lines in a folder that has all keys. */
async function read(data: string, ...lines: readonly string[]): Promise<ParleySettings> {
  const paths = await locateData({ data }, NOWHERE)
  await prepareDataFolder(paths, { withConfig: false })
  await writeFile(paths.config, lines.join('\n'))
  return readSettings(paths)
}

test('a first run makes a key and a configuration that says what an empty one means, and changes nothing later', async (t) => {
  const data = join(await folderOf(t), 'data')
  const paths = await locateData({ data }, NOWHERE)
  assert.deepEqual(await prepareDataFolder(paths, { withConfig: true }), [paths.peerKey, paths.config])
  const key = await readFile(paths.peerKey, 'utf8')
  const { file: _, ...made } = await readSettings(paths)
  assert.deepEqual(await prepareDataFolder(paths, { withConfig: true }), [])
  assert.equal(await readFile(paths.peerKey, 'utf8'), key)

  // The delegate service is what a first run adds: agents need one.
  const { file: __, ...empty } = await read(data, '[acn]', 'delegate = "127.0.0.1:11000"')
  assert.deepEqual(empty, made)
  assert.deepEqual(made.smp, { router: { listen: { host: '127.0.0.1', port: 5223 } }, servers: [] })
  assert.deepEqual(made.acn?.settings.publicUri, { host: '127.0.0.1', port: 9000 })
  assert.deepEqual(made.private, { mode: 'prefer', lookup: 'private', policy: 'everyone', allow: [] })
  for (const listen of [made.smp.router?.listen, made.acn?.settings.listen, made.acn?.settings.delegate]) {
    assert.equal(listen?.host, '127.0.0.1')
  }
})

test('every commented key of a first configuration is one that is understood', async (t) => {
  const data = await folderOf(t)
  const paths = await locateData({ data }, NOWHERE)
  await prepareDataFolder(paths, { withConfig: true })
  const text = await readFile(paths.config, 'utf8')
  const lines = text.split('\n').map((line) => line.replace(/^# (?=\w+ = )/, ''))
  const uncommented = lines
    .map((line) => line.replace('"smp://…"', `"${SERVER}"`))
    .filter((line) => !/^(entry_peers|port|record) = /.test(line))
    .map((line) => line.replace('policy = "everyone"', 'policy = "allow"'))
  const settings = await read(data, ...uncommented)
  assert.deepEqual(settings.smp.router?.announced, ['smp.example.org'])
  assert.deepEqual(settings.smp.servers, [SERVER])
  assert.equal(settings.smp.router?.passwordFile, join(data, 'smp.password'))
  assert.equal(settings.storePassphraseFile, join(data, 'data.passphrase'))
  assert.deepEqual(settings.identity, {
    use: ['alice'],
    passphraseFile: join(data, 'id.passphrase'),
    agentCardFile: join(data, 'agent-card.json'),
  })
  assert.deepEqual(settings.acn?.settings.mailbox, { host: '127.0.0.1', port: 8888 })
  assert.equal(settings.private.allow.length, 2)
})

test('parts can be off, and data be elsewhere', async (t) => {
  const folder = await folderOf(t)
  const settings = await read(folder, '[smp]', 'on = false', `servers = ["${SERVER}"]`, '[acn]', 'on = false')
  assert.deepEqual([settings.smp, settings.acn], [{ servers: [SERVER] }, undefined])
  const config = join(folder, 'elsewhere', 'node.toml')
  await mkdir(join(folder, 'elsewhere'))
  await writeFile(config, '[data]\nfolder = "../other"')
  assert.equal((await locateData({ config }, NOWHERE)).folder, join(folder, 'other'))
  assert.equal((await locateData({ config, data: folder }, NOWHERE)).folder, folder)
  await writeFile(config, '')
  const beside = await locateData({ config }, NOWHERE)
  assert.deepEqual([beside.folder, beside.config], [join(folder, 'elsewhere'), config])
  assert.equal((await locateData({}, NOWHERE)).folder, NOWHERE)
})

test('who may open a channel: those who are listed need not be asked about', async (t) => {
  const lines = ['[private]', 'policy = "ask"', 'allow = ["fetch1x"]']
  const { private: settings } = await read(await folderOf(t), ...lines)
  assert.deepEqual([settings.policy, settings.allow], ['ask', ['fetch1x']])
})

test('what makes no sense is told by its key, without its value', async (t) => {
  const folder = await folderOf(t)
  const cases: readonly (readonly [key: string, ...lines: string[]])[] = [
    ['line 2', '[smp]', 'secretsecret'],
    ['other', '[other]'],
    ['smp', 'smp = "secretsecret"'],
    ['smp.port', '[smp]', 'port = 1'],
    ['smp.on', '[smp]', 'on = "secretsecret"'],
    ['smp.listen', '[smp]', 'listen = "secretsecret"'],
    ['smp.servers', '[smp]', 'servers = ["secretsecret"]'],
    ['smp.servers', '[smp]', 'on = false'],
    ['smp.announced', '[smp]', 'announced = ["secret secret"]'],
    ['acn.listen', '[acn]', 'listen = "secretsecret"'],
    ['acn.entry_peers', '[acn]', 'entry_peers = ["/dns4/secretsecret/tcp/1"]'],
    ['acn.challenge', '[acn]', 'challenge = "secretsecret"'],
    ['agent.port', '[agent]', 'port = "secretsecret"'],
    ['private.mode', '[private]', 'mode = "secretsecret"'],
    ['private.lookup', '[private]', 'lookup = "secretsecret"'],
    ['private.allow', '[private]', 'allow = ["secretsecret"]'],
    ['identity.use', '[identity]', 'use = "secretsecret"'],
    ['identity.agent_card', '[identity]', 'agent_card = "secretsecret"'],
    ['data.passphrase_file', '[data]', 'passphrase_file = 7'],
  ]
  for (const [key, ...lines] of cases) {
    await assert.rejects(read(folder, ...lines), (error) => {
      assert.ok(error instanceof SettingsError, `${key}: ${error}`)
      assert.equal(error.key, key)
      assert.ok(!/secret ?secret/.test(error.message), error.message)
      return true
    })
  }
  await writeFile(join(folder, 'peer.key'), 'secretsecret')
  await assert.rejects(read(folder, ''), (error) => error instanceof SettingsError && error.key === 'acn.key_file')
})
