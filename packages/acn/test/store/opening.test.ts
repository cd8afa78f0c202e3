import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SqliteAcnStore, StoreError, StoreLockedError } from '@parley/acn/store'
import { envelope, openStore, temporaryFolder, wordsOf } from './fixture.ts'

describe('opening and closing', () => {
  test('a folder is for one node at a time', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t, { folder })
    await assert.rejects(SqliteAcnStore.open(folder), (error) => {
      assert.ok(error instanceof StoreLockedError)
      assert.equal(error.folder, folder)
      return true
    })
    await store.close()
    await openStore(t, { folder })
  })

  test('what is kept is for its owner alone, also in a folder that is open to others', async (t) => {
    const folder = await temporaryFolder(t)
    await chmod(folder, 0o755)
    const store = await openStore(t, { folder })
    await store.enqueue(envelope('nobody else’s business'))
    const files = (await readdir(folder)).filter((name) => name.startsWith('acn-node.db'))
    assert.ok(files.length >= 2, 'the database and what SQLite keeps beside it')
    for (const name of files) assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name)
    const made = await openStore(t, { folder: join(folder, 'made') })
    await made.enqueue(envelope('this neither'))
    assert.equal((await stat(join(folder, 'made'))).mode & 0o077, 0)
  })

  test('a file that is no database is refused', async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'acn-node.db'), Buffer.alloc(4096, 1))
    await assert.rejects(SqliteAcnStore.open(folder), StoreError)
  })

  test('what was asked before the end is done, what is asked after it fails', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t, { folder })
    const asked = store.enqueue(envelope('last'))
    const closing = store.close()
    await assert.rejects(store.count(), StoreError)
    assert.ok((await asked).accepted)
    await closing
    await store.close()
    const reopened = await openStore(t, { folder })
    assert.deepEqual(wordsOf(await reopened.pending('receiver')), ['last'])
  })

  test('what was promised survives the death of the process, in order', async (t) => {
    const folder = await temporaryFolder(t)
    const program = fileURLToPath(new URL('killed-node.ts', import.meta.url))
    const child = spawn(process.execPath, ['--conditions=parley-source', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const promised: string[] = []
    for await (const word of createInterface({ input: child.stdout })) {
      promised.push(word)
      if (promised.length === 500) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    assert.equal(child.signalCode, 'SIGKILL')

    const store = await openStore(t, { folder })
    const kept: string[] = []
    for (let after = 0; ; ) {
      const page = await store.pending('receiver', { after, limit: 1000 })
      kept.push(...wordsOf(page))
      const last = page.at(-1)
      if (!last) break
      after = last.number
    }
    const have = new Set(kept)
    assert.deepEqual(
      promised.filter((word) => !have.has(word)),
      [],
    )
    assert.deepEqual(
      kept,
      kept.map((_, i) => String(i)),
    )
  })
})
