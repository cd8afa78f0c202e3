import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { finish, runParley, startParley } from './parley-process.ts'

const NONE = 'f'.repeat(32)

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-passphrase-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a node until it has said something, and ends it. */
async function runOnce(t: TestContext, args: readonly string[], until: string): Promise<void> {
  const child = startParley([...args])
  t.after(() => child.kill('SIGKILL'))
  const ended = finish(child)
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== until) continue
    child.kill('SIGTERM')
    assert.equal((await ended).code, 0)
    return
  }
  assert.fail(`the node ended: ${(await ended).stderr}`)
}

test('a node that was not encrypted gets a passphrase, and another one; all commands say when it is wrong', async (t) => {
  const data = join(await folderOf(t), 'data')
  const at = ['--data', data]
  assert.equal((await runParley(['passphrase', ...at])).code, 1)
  assert.equal((await runParley(['up', '--init', ...at])).code, 0)
  const config = join(data, 'parley.toml')
  const text = (await readFile(config, 'utf8')).replaceAll(/"127\.0\.0\.1:\d+"/g, '"127.0.0.1:0"')
  await writeFile(config, text)
  await runOnce(t, ['up', ...at], 'ready')

  const file = join(data, 'data.passphrase')
  await writeFile(config, text.replace('# passphrase_file = "data', 'passphrase_file = "data'))
  for (const command of [['up'], ['status'], ['trace', NONE], ['passphrase']]) {
    const { code, stderr } = await runParley([...command, ...at])
    assert.deepEqual([code, /data\.passphrase_file: the file cannot be read: ENOENT/.test(stderr)], [2, true], stderr)
  }
  await writeFile(file, 'correct horse\n', { mode: 0o600 })
  for (const command of [['up'], ['status'], ['trace', NONE]]) {
    const { code, stderr } = await runParley([...command, ...at])
    assert.deepEqual([code, /\.db has no passphrase, or its .*\.salt is missing\n$/.test(stderr)], [1, true], stderr)
  }
  const plain = await runParley(['doctor', ...at])
  assert.equal(plain.code, 1)
  assert.match(plain.stdout, /FAILED {2}ACN store: not encrypted, .*\n +→ encrypt it: `parley passphrase`\n/)
  const changed = await runParley(['passphrase', ...at])
  assert.deepEqual([changed.code, changed.stdout.match(/: now encrypted\n/g)?.length], [0, 4], changed.stderr)
  assert.match((await runParley(['passphrase', ...at])).stdout, /^(.*: already encrypted\n){4}$/)
  const doctor = await runParley(['doctor', ...at])
  assert.equal(doctor.code, 0, doctor.stdout)
  assert.match(doctor.stdout, /ACN store: whole, encrypted, schema/)
  await runOnce(t, ['up', ...at], 'ready')

  const old = join(data, 'old.passphrase')
  await writeFile(old, 'correct horse\n', { mode: 0o600 })
  await writeFile(file, 'battery staple\n')
  for (const command of [['up'], ['status'], ['trace', NONE], ['passphrase']]) {
    const { code, stderr } = await runParley([...command, ...at])
    assert.deepEqual([code, /\.db cannot be read: its passphrase is/.test(stderr)], [1, true], stderr)
  }
  assert.match((await runParley(['doctor', ...at])).stdout, /parley passphrase --old-passphrase-file FILE/)
  assert.equal((await runParley(['passphrase', ...at, '--old-passphrase-file', old])).code, 0)
  assert.equal((await runParley(['status', ...at])).code, 0)
  assert.match((await runParley(['trace', NONE, ...at])).stderr, /nothing is known/)
})

test('a node of `parley acn` encrypts its store, and its traces are read with the passphrase', async (t) => {
  const folder = await folderOf(t)
  assert.equal((await runParley(['acn', 'keygen', '--ledger', 'peer', '--out', join(folder, 'peer.key')])).code, 0)
  const config = join(folder, 'node.toml')
  const passphrase = join(folder, 'secret')
  await writeFile(passphrase, 'correct horse\n', { mode: 0o600 })
  const listen = ['listen = "127.0.0.1:0"', 'public = "127.0.0.1:0"']
  await writeFile(config, ['[node]', 'key_file = "peer.key"', ...listen, 'data = "data"', ''].join('\n'))
  const data = join(folder, 'data')
  await runOnce(t, ['acn', '--config', config], 'Peer running')
  await appendFile(config, 'passphrase_file = "secret"\n')
  const refused = await runParley(['acn', '--config', config])
  assert.equal(refused.code, 2)
  assert.match(refused.stdout, /LIBP2P_NODE_PANIC_ERROR : cannot open the database: \S+ has no passphrase, or its/)
  const changed = await runParley(['passphrase', '--data', data, '--passphrase-file', passphrase])
  assert.deepEqual([changed.code, changed.stdout], [0, `${join(data, 'acn-node.db')}: now encrypted\n`], changed.stderr)
  await runOnce(t, ['acn', '--config', config], 'Peer running')

  const secret = ['--passphrase-file', passphrase]
  const without = await runParley(['acn', 'trace', '--data', data])
  assert.deepEqual([without.code, /its passphrase is missing or wrong/.test(without.stderr)], [1, true])
  assert.equal((await runParley(['acn', 'trace', '--data', data, ...secret])).code, 0)
  assert.match((await runParley(['trace', NONE, '--data', data, ...secret])).stderr, /nothing is known/)

  const key = (await readFile(join(folder, 'peer.key'), 'utf8')).trim()
  const environment = {
    AEA_P2P_ID: key,
    AEA_P2P_URI: '127.0.0.1:0',
    AEA_P2P_URI_PUBLIC: '127.0.0.1:0',
    AEA_P2P_CFG_STORAGE_PATH: join(folder, 'records'),
    PARLEY_STORE_PASSPHRASE_FILE: passphrase,
  }
  const env = join(folder, 'env')
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  await writeFile(env, lines.join('\n'))
  await runOnce(t, ['acn', env], 'Peer running')
  const store = await readFile(join(folder, 'records.parley', 'acn-node.db'))
  assert.ok(store.length > 0 && !store.includes('SQLite format'))
  await writeFile(env, [...lines, 'PARLEY_STORE_PASSPHRASE_FILE=/nowhere'].join('\n'))
  const nowhere = await runParley(['acn', env])
  assert.equal(nowhere.code, 2)
  assert.match(nowhere.stdout, /PARLEY_STORE_PASSPHRASE_FILE: the file cannot be read: ENOENT/)
})
