import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  AcnStoreReader,
  changePassphrase,
  SqliteAcnStore,
  StoreError,
  type StoreErrorCode,
  StoreLockedError,
} from '@parley/acn/store'
import { envelope, openStore, temporaryFolder, wordsOf } from './fixture.ts'

const NEEDLE = 'a needle that nobody may find'
const LONG = `${NEEDLE} ${'straw '.repeat(4000)}${NEEDLE}`
const DATABASE = 'acn-node.db'

function isError(code: StoreErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code
}

/** Files of the folder, whatever they are, in which the bytes can be found. */
async function filesWith(folder: string, words: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await readdir(folder)) if ((await readFile(join(folder, name))).includes(words)) found.push(name)
  return found
}

/** A folder with a store in which one envelope waits. */
async function madeStore(folder: string, passphrase: string | undefined, words = NEEDLE): Promise<void> {
  const store = await SqliteAcnStore.open(folder, {}, passphrase)
  try {
    await store.enqueue(envelope(words))
  } finally {
    await store.close()
  }
}

async function readStore(folder: string, passphrase: string | undefined): Promise<string[]> {
  const store = await SqliteAcnStore.open(folder, {}, passphrase)
  try {
    return wordsOf(await store.pending('receiver'))
  } finally {
    await store.close()
  }
}

describe('a passphrase', () => {
  test('leaves nothing to be read in any file, while it is open and after', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t, { folder, passphrase: 'correct horse' })
    const numbers: number[] = []
    for (let i = 0; i < 20; i++) {
      const outcome = await store.enqueue(envelope(LONG, { to: 'needle-receiver', source: 'needle-source' }))
      assert.ok(outcome.accepted)
      numbers.push(outcome.number)
    }
    store.addTrace({ id: '0'.repeat(32), at: 1, event: 'received', detail: 'needle-detail' })
    await store.giveUp(numbers[0] ?? 0, { reason: 'refused', at: 2 })
    assert.ok((await readdir(folder)).includes(`${DATABASE}-wal`))
    for (const words of ['needle', 'SQLite format']) assert.deepEqual(await filesWith(folder, words), [])
    await store.delivered(numbers)
    assert.deepEqual(await filesWith(folder, 'needle'), [])
    await store.close()
    assert.deepEqual(await filesWith(folder, 'needle'), [])
    assert.deepEqual((await readdir(folder)).sort(), [DATABASE, `${DATABASE}.salt`, 'acn-node.lock'])
    const again = await openStore(t, { folder, passphrase: 'correct horse' })
    assert.equal((await again.listNotDelivered()).length, 1)
  })

  test('must be the right one', async (t) => {
    const folder = await temporaryFolder(t)
    await madeStore(folder, 'correct horse')
    for (const wrong of ['wrong', '', undefined]) {
      await assert.rejects(readStore(folder, wrong), isError('PASSPHRASE'), String(wrong))
      assert.throws(() => new AcnStoreReader(folder, wrong), isError('PASSPHRASE'), String(wrong))
    }
    assert.deepEqual(await readStore(folder, 'correct horse'), [NEEDLE])
    await rm(join(folder, `${DATABASE}.salt`))
    await assert.rejects(readStore(folder, 'correct horse'), isError('PASSPHRASE'))
  })

  test('is refused for a store without one, and changes nothing in it', async (t) => {
    const folder = await temporaryFolder(t)
    await madeStore(folder, undefined)
    await assert.rejects(readStore(folder, 'any'), isError('PASSPHRASE'))
    assert.throws(() => new AcnStoreReader(folder, 'any'), isError('PASSPHRASE'))
    assert.deepEqual(await readStore(folder, undefined), [NEEDLE])
  })

  test('is what a command reads with, beside the node that runs', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t, { folder, passphrase: 'correct horse' })
    const { id } = envelope('x')
    store.addTrace({ id, at: 1, event: 'received' })
    await store.count()
    const reader = new AcnStoreReader(folder, 'correct horse')
    t.after(() => reader.close())
    assert.deepEqual(
      reader.trace(id).map(({ event }) => event),
      ['received'],
    )
  })
})

test('without a passphrase what was deleted is not in the files that remain', async (t) => {
  const folder = await temporaryFolder(t)
  const store = await openStore(t, { folder })
  const stays = await store.enqueue(envelope('this stays'))
  const goes = await store.enqueue(envelope(LONG))
  assert.ok(stays.accepted && goes.accepted)
  assert.notDeepEqual(await filesWith(folder, NEEDLE), [])
  // So that the database file has it, not the log alone.
  await store.close()
  assert.deepEqual(await filesWith(folder, NEEDLE), [DATABASE])
  const again = await openStore(t, { folder })
  await again.delivered([goes.number])
  await again.close()
  assert.deepEqual(await filesWith(folder, 'this stays'), [DATABASE])
  assert.deepEqual(await filesWith(folder, NEEDLE), [])
})

describe('the passphrase of a store', () => {
  test('is set, changed and removed', async (t) => {
    const folder = await temporaryFolder(t)
    await madeStore(folder, undefined)
    const steps = [undefined, 'first', 'second', undefined, 'third']
    for (const [index, to] of steps.slice(1).entries()) {
      const from = steps[index]
      changePassphrase(folder, from, to)
      await assert.rejects(readStore(folder, from), isError('PASSPHRASE'))
      assert.deepEqual(await readStore(folder, to), [NEEDLE])
      assert.deepEqual(await filesWith(folder, NEEDLE), to === undefined ? [DATABASE] : [])
    }
  })

  test('is not changed with a wrong one, nor while somebody has the store open', async (t) => {
    const folder = await temporaryFolder(t)
    assert.throws(() => changePassphrase(folder, undefined, 'first'), isError('NONE'))
    await madeStore(folder, 'first')
    assert.throws(() => changePassphrase(folder, 'wrong', 'second'), isError('PASSPHRASE'))
    const store = await openStore(t, { folder, passphrase: 'first' })
    assert.throws(() => changePassphrase(folder, 'first', 'second'), StoreLockedError)
    await store.close()
    assert.deepEqual(await readStore(folder, 'first'), [NEEDLE])
  })

  test('is the old or the new one, and the store whole, whenever the change is killed', async (t) => {
    const original = await temporaryFolder(t)
    await madeStore(original, 'old')
    const folder = join(original, 'copy')
    await mkdir(folder)
    const text = `
      import { changePassphrase } from '@parley/acn/store'
      process.stdout.write('ready')
      changePassphrase(${JSON.stringify(folder)}, 'old', 'new')`
    const args = ['--conditions=parley-source', '--input-type=module-typescript', '--eval', text]
    // Two derivations of keys take most of the time. The last one is left to end by itself.
    for (const delay of [0, 300, 500, undefined]) {
      for (const name of [DATABASE, `${DATABASE}.salt`]) await copyFile(join(original, name), join(folder, name))
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], cwd: import.meta.dirname })
      t.after(() => child.kill('SIGKILL'))
      await once(child.stdout, 'data')
      const timer = delay === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), delay)
      await once(child, 'close')
      clearTimeout(timer)
      const passphrase = await readStore(folder, 'old').then(
        () => 'old',
        (error) => (isError('PASSPHRASE')(error) ? 'new' : assert.fail(error)),
      )
      assert.deepEqual(await readStore(folder, passphrase), [NEEDLE], `after ${delay} ms`)
      if (delay === undefined) assert.equal(passphrase, 'new')
    }
    await writeFile(join(folder, `${DATABASE}.rekey`), NEEDLE)
    await assert.rejects(readStore(folder, 'neither'), isError('PASSPHRASE'))
    assert.deepEqual(await filesWith(folder, NEEDLE), [])
  })
})
