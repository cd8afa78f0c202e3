import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AcnClient, DelegateEntry, identityFromKey } from '@parley/acn/client'
import { STATUS } from '@parley/acn/protocol'
import { LEDGERS } from '@parley/acn/record'
import { StoreError as AcnStoreError, changePassphrase as changeAcnPassphrase } from '@parley/acn/store'
import { changePassphrase, StoreError } from '@parley/agent'
import { newPrivateKey } from '../../src/identity/identity-folder.ts'
import { type DataPaths, dataPaths, prepareDataFolder } from '../../src/node/data-folder.ts'
import type { CheckResult } from '../../src/node/doctor/check.ts'
import { examine } from '../../src/node/doctor/doctor.ts'
import { changeNodePassphrase, nodeStores } from '../../src/node/node-stores.ts'
import { ParleyNode } from '../../src/node/parley-node.ts'
import { type ParleySettings, readSettings } from '../../src/node/settings.ts'
import { stoppedStatus } from '../../src/node/status.ts'

const PORTS = ['[smp]', 'listen = "127.0.0.1:0"', '[acn]', 'listen = "127.0.0.1:0"', 'delegate = "127.0.0.1:0"']
const NEEDLE = 'a needle that nobody may find'

/** A node's folder with its passphrase; how its settings are read with it and without. */
async function nodeFolder(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'parley-passphrase-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const paths = dataPaths(join(folder, 'data'))
  await prepareDataFolder(paths, { withConfig: false })
  const file = join(paths.folder, 'data.passphrase')
  const settings = async (passphrase: string | undefined): Promise<ParleySettings> => {
    const data = passphrase === undefined ? [] : ['[data]', 'passphrase_file = "data.passphrase"']
    await writeFile(file, `${passphrase}\n`, { mode: 0o600 })
    await writeFile(paths.config, [...data, ...PORTS].join('\n'), { mode: 0o600 })
    return readSettings(paths)
  }
  return { paths, settings }
}

async function runOnce(settings: ParleySettings): Promise<void> {
  await (await ParleyNode.start({ settings })).stop()
}

let copies = 0

/** What the doctor says of a copy of a folder: its connections stay open until they are garbage collected. */
async function unwell({ folder }: DataPaths): Promise<CheckResult[]> {
  const copy = `${folder}-${++copies}`
  await cp(folder, copy, { recursive: true, filter: (file) => !file.endsWith('.sock') })
  return (await examine({ paths: dataPaths(copy) })).filter(({ outcome }) => outcome === 'failed')
}

/** Files, of folders within too, in which the bytes can be found. */
async function filesWith(folder: string, bytes: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const found: string[] = []
  for (const file of files) if ((await readFile(file)).includes(bytes)) found.push(file)
  return found
}

function isPassphraseError(kind: typeof StoreError | typeof AcnStoreError): (error: unknown) => boolean {
  return (error) => error instanceof kind && error.code === 'PASSPHRASE'
}

test('one passphrase covers everything of a node: an envelope that waits is in no file', async (t) => {
  const { paths, settings } = await nodeFolder(t)
  await using node = await ParleyNode.start({ settings: await settings('correct horse') })
  const [ledger] = LEDGERS
  const { acn } = node
  assert.ok(ledger && acn?.delegatePort)
  const at = { host: '127.0.0.1', port: acn.delegatePort, peerPublicKey: acn.key.publicKeyHex }
  const identity = identityFromKey(ledger, newPrivateKey(ledger))
  const client = await AcnClient.connect({ entries: [new DelegateEntry({ ...at, identity })], acknowledge: 'manual' })
  t.after(() => client.close())
  const { address } = await identity.recordFor(acn.key.publicKeyHex)
  const envelope = { to: address, sender: address, protocolId: 'a/b:1.0.0', message: Buffer.from(NEEDLE), uri: '' }
  assert.equal((await client.send(envelope)).code, STATUS.SUCCESS)
  for await (const event of client.events) if (event.type === 'envelope') break
  await client.close()
  await node.stop()
  // It was not acknowledged: it waits.
  assert.deepEqual(await filesWith(paths.folder, NEEDLE), [])
  assert.deepEqual(await filesWith(paths.folder, address), [])
  const encrypted = ['acn/acn-node.db', 'agent.db', 'cards.db', 'contacts.db'].map((file) => join(paths.folder, file))
  for (const file of encrypted) assert.ok(!(await filesWith(paths.folder, 'SQLite format')).includes(file), file)

  const stopped = await settings('wrong')
  await assert.rejects(ParleyNode.start({ settings: stopped }), isPassphraseError(StoreError))
  await assert.rejects(stoppedStatus(stopped, 'wrong'), isPassphraseError(AcnStoreError))
  await assert.rejects(stoppedStatus(await settings(undefined)), isPassphraseError(AcnStoreError))
  assert.equal((await stoppedStatus(await settings('correct horse'), 'correct horse')).acn?.notDelivered, 0)
  await using again = await ParleyNode.start({ settings: await settings('correct horse') })
  assert.equal((await again.acn?.store.pending(address))?.length, 1)
})

test('what was not encrypted is refused with a passphrase, and encrypted when that is asked for', async (t) => {
  const { paths, settings } = await nodeFolder(t)
  await runOnce(await settings(undefined))
  const secret = await settings('correct horse')
  // As a node was of which the passphrase did not cover everything.
  for (const file of ['agent.db', 'cards.db', 'contacts.db']) {
    changePassphrase(join(paths.folder, file), undefined, 'correct horse')
  }
  await assert.rejects(ParleyNode.start({ settings: secret }), isPassphraseError(AcnStoreError))
  assert.deepEqual(
    (await unwell(paths)).map(({ name, advice }) => [name, advice]),
    [['ACN store', 'encrypt it: `parley passphrase`']],
  )
  const changes = changeNodePassphrase(nodeStores(paths, secret), undefined, 'correct horse')
  assert.deepEqual(
    changes.map(({ store, isChanged }) => [store.name, isChanged]),
    [
      ['agent store', false],
      ['contacts', false],
      ['cards', false],
      ['ACN store', true],
    ],
  )
  assert.deepEqual(await unwell(paths), [])
  await runOnce(secret)
})

test('a change that was ended in the middle is finished by doing it again; one that cannot be changes nothing', async (t) => {
  const { paths, settings } = await nodeFolder(t)
  const before = await settings('before')
  await runOnce(before)
  const stores = nodeStores(paths, before)
  assert.throws(() => changeNodePassphrase(stores, 'wrong', 'after'), isPassphraseError(StoreError))
  await using node = await ParleyNode.start({ settings: before })
  assert.throws(
    () => changeNodePassphrase(stores, 'before', 'after'),
    (error) => error instanceof StoreError && error.code === 'LOCKED',
  )
  await node.stop()
  await runOnce(before)

  changePassphrase(paths.agent, 'before', 'after')
  changeAcnPassphrase(paths.acn, 'before', 'after')
  const after = await settings('after')
  await assert.rejects(ParleyNode.start({ settings: after }), isPassphraseError(StoreError))
  const advice = (await unwell(paths))[0]?.advice
  assert.match(advice ?? '', /parley passphrase --old-passphrase-file/)
  const finished = changeNodePassphrase(stores, 'before', 'after')
  assert.deepEqual(
    finished.map(({ isChanged }) => isChanged),
    [false, true, true, false],
  )
  await runOnce(after)
  changeNodePassphrase(stores, 'after', undefined)
  const none = await settings(undefined)
  assert.deepEqual(await unwell(paths), [])
  await runOnce(none)
})
