import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LEDGERS, type Ledger, ledgerOf } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'
import { LedgerIdentityError, type LedgerIdentityErrorCode } from '../../src/identity/identity-error.ts'
import { IdentityFolder } from '../../src/identity/identity-folder.ts'

const PASSPHRASE = 'correct horse'

function ledger(id: string): Ledger {
  const found = ledgerOf(id)
  assert.ok(found)
  return found
}

async function folderOf(t: TestContext): Promise<IdentityFolder> {
  const path = await mkdtemp(join(tmpdir(), 'parley-identities-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return new IdentityFolder(join(path, 'identities'))
}

const failsWith = (code: LedgerIdentityErrorCode) => (error: unknown) =>
  error instanceof LedgerIdentityError && error.code === code

test('an identity of each ledger is made, found by name and address, and signs once it is unlocked', async (t) => {
  const folder = await folderOf(t)
  assert.deepEqual(await folder.list(), [])
  for (const each of LEDGERS) {
    const made = await folder.create(each.ledgerId, each, PASSPHRASE)
    const byAddress = await folder.find(made.address)
    assert.deepEqual([byAddress.name, byAddress.publicKey], [each.ledgerId, made.publicKey])
    const unlocked = await folder.unlock(each.ledgerId, PASSPHRASE)
    const message = Buffer.from('message')
    assert.ok(each.verify(byAddress.publicKey, message, unlocked.sign(message)))
    const text = await readFile(folder.fileOf(each.ledgerId), 'utf8')
    const privateKey = unlocked.exportPrivateKey()
    assert.ok(!text.includes(toHex(privateKey)) && !text.includes(Buffer.from(privateKey).toString('base64')))
    assert.equal((await stat(folder.fileOf(each.ledgerId))).mode & 0o777, 0o600)
  }
  assert.equal((await stat(folder.path)).mode & 0o777, 0o700)
  const names = (await folder.list()).map((listed) => ('identity' in listed ? listed.identity.name : ''))
  assert.deepEqual(names, ['cosmos', 'ethereum', 'fetchai'])
  assert.equal((await readdir(folder.path)).length, 3)
})

test('a wrong passphrase opens nothing; the same one in another normal form does', async (t) => {
  const folder = await folderOf(t)
  await folder.create('a', ledger('fetchai'), 'pa\u0308ss')
  await assert.rejects(folder.unlock('a', 'pass'), failsWith('PASSPHRASE'))
  assert.equal((await folder.unlock('a', 'p\u00e4ss')).name, 'a')
  await assert.rejects(folder.create('b', ledger('fetchai'), ''), failsWith('PASSPHRASE'))
})

test('a name is taken once, and is no path', async (t) => {
  const folder = await folderOf(t)
  const first = await folder.create('a', ledger('ethereum'), PASSPHRASE)
  await assert.rejects(folder.create('a', ledger('ethereum'), PASSPHRASE), failsWith('EXISTS'))
  assert.equal((await folder.find('a')).address, first.address)
  for (const name of ['', '../a', 'a/b', '.a', 'a'.repeat(65), 'ä']) {
    await assert.rejects(folder.create(name, ledger('ethereum'), PASSPHRASE), failsWith('NAME'))
  }
  await assert.rejects(folder.find('nobody'), failsWith('NOT_FOUND'))
  await folder.add('b', first.ledger, first.exportPrivateKey(), PASSPHRASE)
  await assert.rejects(folder.find(first.address), failsWith('AMBIGUOUS'))
  await assert.rejects(folder.add('c', first.ledger, new Uint8Array(32), PASSPHRASE), failsWith('KEY'))
})

test('of two that make the same name at once one is told that it exists', async (t) => {
  const folder = await folderOf(t)
  const made = await Promise.allSettled([1, 2].map(() => folder.create('a', ledger('cosmos'), PASSPHRASE)))
  assert.deepEqual(made.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const [winner] = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  assert.equal((await folder.unlock('a', PASSPHRASE)).address, winner?.address)
})

test('the public part of a file cannot be exchanged', async (t) => {
  const folder = await folderOf(t)
  const victim = await folder.create('victim', ledger('fetchai'), PASSPHRASE)
  await folder.create('other', ledger('fetchai'), PASSPHRASE)
  const file = folder.fileOf('other')
  const fields = JSON.parse(await readFile(file, 'utf8'))
  const cases: readonly (readonly [object, LedgerIdentityErrorCode])[] = [
    [{ address: victim.address, publicKey: victim.publicKey }, 'PASSPHRASE'],
    [{ address: victim.address }, 'FORMAT'],
    [{ ledger: 'cosmos' }, 'FORMAT'],
    [{ ledger: 'bitcoin' }, 'FORMAT'],
    [{ parleyIdentity: 2 }, 'FORMAT'],
    [{ createdAt: 'once' }, 'FORMAT'],
    [{ key: {} }, 'FORMAT'],
    [{ key: { ...fields.key, kdf: { ...fields.key.kdf, N: 2 ** 40 } } }, 'FORMAT'],
    [{ key: { ...fields.key, kdf: { ...fields.key.kdf, N: 2 } } }, 'PASSPHRASE'],
  ]
  for (const [change, code] of cases) {
    await writeFile(file, JSON.stringify({ ...fields, ...change }))
    await assert.rejects(folder.unlock('other', PASSPHRASE), failsWith(code), JSON.stringify(change))
  }
  await writeFile(file, JSON.stringify(fields))
  await rename(file, folder.fileOf('renamed'))
  await assert.rejects(folder.find('renamed'), failsWith('FORMAT'))
  const listed = await folder.list()
  assert.equal(listed.filter((item) => 'error' in item).length, 1)
})
