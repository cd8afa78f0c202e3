import assert from 'node:assert/strict'
import { chmod, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { AgentRecord } from '@parley/acn/protocol'
import { createRecord, LEDGERS, PeerKey, writeGoRecordStore } from '@parley/acn/record'
import { importGoRecords, type SqliteAcnStore } from '@parley/acn/store'
import { openStore, recordOf, registration, temporaryFolder } from './fixture.ts'

async function addresses(store: SqliteAcnStore): Promise<string[]> {
  return (await store.listRegistrations({})).map(({ record }) => record.address)
}

describe('registrations', () => {
  test('come back whole, after a restart too', async (t) => {
    const folder = await temporaryFolder(t)
    const whole = registration('agent', 10, { expiresAt: 99, attestation: Uint8Array.of(1, 2, 3) })
    const before = await openStore(t, { folder })
    assert.ok(await before.putRegistration(whole))
    await before.close()
    const store = await openStore(t, { folder })
    const kept = await store.getRegistration('agent')
    assert.deepEqual(kept, { ...whole, attestation: kept?.attestation })
    assert.deepEqual([...(kept?.attestation ?? [])], [1, 2, 3])
    assert.equal(await store.getRegistration('another'), undefined)
    assert.equal((await store.count()).registrations, 1)
  })

  test('of an agent the newest counts, in whatever order they come', async (t) => {
    const store = await openStore(t)
    assert.ok(await store.putRegistration(registration('agent', 10)))
    assert.equal(await store.putRegistration(registration('agent', 9, { kind: 'relay' })), false)
    assert.equal((await store.getRegistration('agent'))?.kind, 'delegate')
    assert.ok(await store.putRegistration(registration('agent', 10, { kind: 'mailbox' })))
    assert.ok(await store.putRegistration(registration('agent', 11, { kind: 'remote' })))
    assert.equal((await store.getRegistration('agent'))?.kind, 'remote')
    assert.equal((await store.count()).registrations, 1)
  })

  test('are removed by those who know which one it is', async (t) => {
    const store = await openStore(t)
    await store.putRegistration(registration('agent', 10))
    assert.equal(await store.deleteRegistration('agent', 9), false)
    assert.equal(await store.deleteRegistration('agent', 10), true)
    assert.equal(await store.getRegistration('agent'), undefined)
    assert.equal((await store.count()).registrations, 0)
  })

  test('are listed by kind and in pages', async (t) => {
    const store = await openStore(t)
    for (const address of ['c', 'a', 'b']) await store.putRegistration(registration(address, 1))
    await store.putRegistration(registration('d', 1, { kind: 'relay' }))
    assert.deepEqual(await addresses(store), ['a', 'b', 'c', 'd'])
    const page = await store.listRegistrations({ kind: 'delegate', afterAddress: 'a', limit: 1 })
    assert.deepEqual(
      page.map(({ record }) => record.address),
      ['b'],
    )
  })

  test('the one issued first goes beyond the bound, over restarts', async (t) => {
    const folder = await temporaryFolder(t)
    const limits = { folder, maxRegistrations: 2 }
    const before = await openStore(t, limits)
    await before.putRegistration(registration('a', 2))
    await before.putRegistration(registration('b', 1))
    await before.close()
    const store = await openStore(t, limits)
    await store.putRegistration(registration('c', 3))
    assert.deepEqual(await addresses(store), ['a', 'c'])
    await store.putRegistration(registration('c', 4))
    assert.deepEqual(await addresses(store), ['a', 'c'])
  })

  test('expired ones go when told the time', async (t) => {
    const store = await openStore(t)
    await store.putRegistration(registration('a', 1, { expiresAt: 10 }))
    await store.putRegistration(registration('b', 1, { expiresAt: 11 }))
    await store.putRegistration(registration('c', 1))
    await store.expire(10)
    assert.deepEqual(await addresses(store), ['b', 'c'])
    assert.equal((await store.count()).registrations, 2)
  })

  test('an address that cannot be found again is not kept', async (t) => {
    const store = await openStore(t)
    assert.equal(await store.putRegistration(registration('a\0b', 1)), false)
    assert.equal(await store.getRegistration('a\0b'), undefined)
    assert.equal(await store.deleteRegistration('a\0b', 1), false)
    assert.deepEqual(await addresses(store), [])
  })
})

describe("import of a Go node's record store", () => {
  const relayed = new PeerKey(Buffer.alloc(32, 5))
  const good = LEDGERS.map((ledger, i): AgentRecord => {
    return createRecord(ledger, { privateKey: Buffer.alloc(32, i + 1), peerPublicKey: relayed.publicKeyHex })
  })

  async function storeFile(folder: string, file: Uint8Array): Promise<string> {
    const path = join(folder, `agent_records_store_${relayed.peerId}`)
    await writeFile(path, file, { mode: 0o600 })
    await utimes(path, 1_700_000_000, 1_700_000_000)
    return path
  }

  test('takes the records as relay registrations, as old as the file, once', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t)
    const path = await storeFile(folder, writeGoRecordStore([...good, ...good]))
    assert.deepEqual(await importGoRecords(store, path), { outcome: 'imported', kept: good.length, warnings: [] })
    for (const record of good) {
      assert.deepEqual(await store.getRegistration(record.address), {
        kind: 'relay',
        record,
        issuedAt: 1_700_000_000_000,
      })
    }
    const [first] = good
    assert.ok(first)
    await store.deleteRegistration(first.address, 1_700_000_000_000)
    assert.deepEqual(await importGoRecords(store, path), { outcome: 'before', kept: 0, warnings: [] })
    assert.equal(await store.getRegistration(first.address), undefined)
    assert.equal(await store.importRegistrations('go-record-store', []), undefined)
  })

  test('a file that was cut off starts the node all the same, with a warning', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t)
    const path = await storeFile(folder, writeGoRecordStore(good).subarray(0, -1))
    const { outcome, kept, warnings } = await importGoRecords(store, path)
    assert.equal(outcome, 'imported')
    assert.equal(kept, good.length - 1)
    assert.equal(warnings.length, 1)
  })

  test('records that prove nothing are left out with a warning that does not show them', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t)
    const forged = { ...recordOf('forged'), peerPublicKey: relayed.publicKeyHex }
    const { kept, warnings } = await importGoRecords(
      store,
      await storeFile(folder, writeGoRecordStore([forged, ...good])),
    )
    assert.equal(kept, good.length)
    assert.equal(warnings.length, 1)
    assert.ok(!warnings.join().includes('forged'))
    assert.equal(await store.getRegistration('forged'), undefined)
  })

  test('newer registrations stay', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t)
    const [first] = good
    assert.ok(first)
    await store.putRegistration({ kind: 'mailbox', record: first, issuedAt: 1_700_000_000_001 })
    const { kept } = await importGoRecords(store, await storeFile(folder, writeGoRecordStore(good)))
    assert.equal(kept, good.length - 1)
    assert.equal((await store.getRegistration(first.address))?.kind, 'mailbox')
  })

  test('no file is no fault, an unreadable one is', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t)
    assert.equal((await importGoRecords(store, join(folder, 'none'))).outcome, 'none')
    if (process.getuid?.() === 0) return
    const path = await storeFile(folder, new Uint8Array())
    await chmod(path, 0)
    await assert.rejects(importGoRecords(store, path), { code: 'EACCES' })
  })
})
