import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { equalBytes } from '@parley/core/encoding'
import { SqliteRouterStore } from '../../src/router/sqlite/sqlite-router-store.ts'
import type { QueueRecord, StoredMessage } from '../../src/router/store.ts'
import { StoreError, StoreLockedError } from '../../src/router/store.ts'

function record(fields: Partial<QueueRecord> = {}): QueueRecord {
  return {
    rcvId: randomBytes(24),
    sndId: randomBytes(24),
    rcvKeys: [PrivateKey.generate('ed25519').publicKey],
    rcvDhSecret: randomBytes(32),
    status: { type: 'active' },
    updatedDay: 20_000,
    ...fields,
  }
}

function message(number: number, fields: Partial<StoredMessage> = {}): StoredMessage {
  return {
    number,
    msgId: randomBytes(24),
    timestamp: 1_700_000_000,
    notification: false,
    body: randomBytes(16048),
    ...fields,
  }
}

/** Byte arrays and Buffers of the same content are the same here. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, field) =>
      field?.type === 'Buffer'
        ? Buffer.from(field).toString('hex')
        : field instanceof Uint8Array
          ? Buffer.from(field).toString('hex')
          : field,
    ),
  )
}

describe('SqliteRouterStore', () => {
  let folder: string
  let store: SqliteRouterStore
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'router-store-'))
    store = await SqliteRouterStore.open(join(folder, 'data'))
  })
  after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })

  it('keeps every field of a record', async () => {
    const records = [
      record(),
      record({ mode: 'messaging', sndKey: PrivateKey.generate('ed448').publicKey, status: { type: 'off' } }),
      record({
        mode: 'contact',
        rcvKeys: [PrivateKey.generate('x25519').publicKey, PrivateKey.generate('ed448').publicKey],
        status: { type: 'blocked', reason: 'spam' },
      }),
      record({ status: { type: 'blocked', reason: 'content', noticeTtl: 86_400 } }),
      record({ status: { type: 'blocked', reason: 'content', noticeTtl: null } }),
    ]
    const numbers = await Promise.all(records.map((one) => store.addQueue(one)))
    assert.equal(new Set(numbers).size, records.length)
    for (const kind of ['recipient', 'sender'] as const) {
      const ids = records.map(({ rcvId, sndId }) => (kind === 'recipient' ? rcvId : sndId))
      const loaded = await store.getQueues(kind, ids)
      assert.deepEqual(
        loaded.map((queue) => plain(queue?.record)),
        records.map(plain),
      )
      assert.deepEqual(
        loaded.map((queue) => queue?.number),
        numbers,
      )
    }
    assert.deepEqual(await store.getQueues('recipient', [randomBytes(24)]), [undefined])
  })

  it('refuses ids that are in use', async () => {
    const first = record({ linkId: randomBytes(24) })
    const link = { linkId: first.linkId as Uint8Array, data: { fixed: randomBytes(2048), user: randomBytes(100) } }
    const number = await store.addQueue(first, link)
    assert.ok(number)
    assert.equal(await store.addQueue(record({ rcvId: first.rcvId })), undefined)
    assert.equal(await store.addQueue(record({ sndId: first.sndId })), undefined)
    assert.equal(await store.addQueue(record(), link), undefined)
    const other = (await store.addQueue(record())) as number
    assert.equal(await store.setLink(other, link), false)
    assert.equal(await store.getLinkData(other), undefined)

    const [byLink] = await store.getQueues('link', [link.linkId])
    assert.equal(byLink?.number, number)
    assert.ok(equalBytes(byLink?.record.linkId as Uint8Array, link.linkId))
    assert.deepEqual(plain(await store.getLinkData(number)), plain(link.data))
    assert.equal(await store.setLink(number, { ...link, linkId: randomBytes(24) }), false, 'another id')
    assert.equal(await store.setLink(number, { ...link, data: { ...link.data, fixed: randomBytes(2048) } }), false)
    const replaced = { fixed: link.data.fixed, user: randomBytes(7) }
    assert.equal(await store.setLink(number, { ...link, data: replaced }), true)
    assert.deepEqual(plain(await store.getLinkData(number)), plain(replaced))
    await store.deleteLink(number)
    assert.deepEqual(await store.getQueues('link', [link.linkId]), [undefined])
    assert.equal(await store.setLink(other, link), true)
  })

  it('changes one field and leaves the others', async () => {
    const before = record({ mode: 'contact' })
    const number = (await store.addQueue(before)) as number
    const change = { sndKey: PrivateKey.generate('ed25519').publicKey, updatedDay: 20_001 }
    await store.updateQueue(number, change)
    const [after] = await store.getQueues('recipient', [before.rcvId])
    assert.deepEqual(plain(after?.record), plain({ ...before, ...change }))
  })

  it('keeps messages in order and removes those asked for', async () => {
    const owner = record()
    const queue = (await store.addQueue(owner)) as number
    const sent = [message(11), message(12, { notification: true }), message(14)]
    const { body: _none, ...marker } = message(15)
    await Promise.all([...sent, marker].map((one) => store.addMessage(queue, one)))
    await store.deleteMessages([12])
    const [loaded] = await store.getQueues('recipient', [owner.rcvId])
    assert.deepEqual(
      loaded?.messages.map(({ number, quota }) => [number, quota]),
      [
        [11, false],
        [14, false],
        [15, true],
      ],
    )
    assert.deepEqual(plain(await store.getMessage(14)), plain(sent[2]))
    assert.deepEqual(plain(await store.getMessage(15)), plain(marker))
    assert.equal(await store.getMessage(12), undefined)
    await store.deleteQueue(queue)
    assert.equal(await store.getMessage(14), undefined)
    assert.deepEqual(await store.getQueues('sender', [owner.sndId]), [undefined])
  })

  it('expires in steps and never removes a quota marker', async () => {
    const queue = (await store.addQueue(record())) as number
    const { body: _none, ...marker } = message(103, { timestamp: 100 })
    for (const one of [message(101, { timestamp: 100 }), message(102, { timestamp: 110 }), marker]) {
      await store.addMessage(queue, one)
    }
    await store.addMessage(queue, message(104, { timestamp: 150 }))
    const first = await store.expireMessages(150, 101, 2)
    assert.deepEqual(first, { expired: [101, 102].map((number) => ({ queue, message: number })), next: 103 })
    assert.deepEqual(await store.expireMessages(150, 103, 2), { expired: [] })
    assert.ok(await store.getMessage(103))
    assert.ok(await store.getMessage(104))
    await store.deleteQueue(queue)
  })

  it('fails one write without failing its neighbours in the same transaction', async () => {
    const queue = (await store.addQueue(record())) as number
    await store.addMessage(queue, message(201))
    const outcomes = await Promise.allSettled([
      store.addMessage(queue, message(202)),
      store.addMessage(queue, message(201)),
      store.addMessage(queue, message(203)),
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.ok((outcomes[1] as PromiseRejectedResult).reason instanceof StoreError)
    assert.ok(await store.getMessage(203))
  })

  it('is used by one router at a time', async () => {
    await assert.rejects(SqliteRouterStore.open(join(folder, 'data')), StoreLockedError)
  })

  it('opens again with everything, and numbers go on', async () => {
    const owner = record()
    const queue = (await store.addQueue(owner)) as number
    await store.addMessage(queue, message(1000))
    const before = await store.count()
    await store.close()
    await assert.rejects(store.count(), StoreError)
    store = await SqliteRouterStore.open(join(folder, 'data'))
    assert.equal(store.nextMessageNumber, 1001)
    assert.deepEqual(await store.count(), before)
    const [loaded] = await store.getQueues('recipient', [owner.rcvId])
    assert.deepEqual(
      loaded?.messages.map(({ number }) => number),
      [1000],
    )
    const [inspected] = (await store.inspectQueues(1000)).slice(-1)
    assert.deepEqual(
      inspected?.messages.map(({ size }) => size),
      [16048],
    )
    assert.ok(inspected && !('rcvDhSecret' in inspected))
  })

  it('says what is wrong with a file that is no database', async () => {
    const bad = join(folder, 'bad')
    await (await SqliteRouterStore.open(bad)).close()
    const { writeFile } = await import('node:fs/promises')
    await writeFile(join(bad, 'smp-router.db'), randomBytes(4096))
    await assert.rejects(SqliteRouterStore.open(bad), StoreError)
    assert.ok((await stat(bad)).isDirectory())
  })
})
