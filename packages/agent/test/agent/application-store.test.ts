import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AgentError, type ApplicationStore, StoreError } from '@parley/agent'
import { bytes, type TestAgent, text, World } from './fixture.ts'

const NOTES = [{ name: '0001-notes', up: 'CREATE TABLE notes (text TEXT NOT NULL) STRICT', down: 'DROP TABLE notes' }]

const notesOf = (store: ApplicationStore) =>
  store.all<{ text: string }>('SELECT text FROM notes').map(({ text }) => text)

/** Keeps the bodies of messages in the application's tables. */
class Keeper {
  readonly store: ApplicationStore
  undone = 0
  readonly told: string[] = []
  #changed = Promise.withResolvers<void>()

  constructor({ api }: TestAgent) {
    this.store = api.applicationStore(NOTES, { onUndone: () => void this.undone++ })
    this.store.receiveWith((db, { body }) => {
      const note = text(body)
      if (note === 'not mine') return undefined
      if (note === 'fails') throw new Error('cannot take it')
      db.run('INSERT INTO notes (text) VALUES (?)', note)
      return () => {
        this.told.push(note)
        this.#changed.resolve()
      }
    })
  }

  /** Resolves when so many are kept. */
  async until(count: number): Promise<void> {
    while (this.told.length < count) {
      await this.#changed.promise
      this.#changed = Promise.withResolvers()
    }
  }
}

describe('tables of an application in the agent’s store', () => {
  it('take what is sent and what is noted of it in one transaction, or neither', async () => {
    await using world = new World()
    const { a, b, connA } = await world.pair({ pqA: false, pqB: false })
    let undone = 0
    const store = a.api.applicationStore(NOTES, { onUndone: () => void undone++ })
    const failure = store.transaction((tx) => {
      tx.run("INSERT INTO notes (text) VALUES ('lost')")
      const [sent] = tx.sendMessages([{ connId: connA, body: bytes('lost') }])
      assert.ok(!(sent instanceof AgentError))
      throw new Error('the application changes its mind')
    })
    await assert.rejects(failure, /changes its mind/)
    assert.equal(undone, 1)
    const results = await store.transaction((tx) => {
      tx.run("INSERT INTO notes (text) VALUES ('sent')")
      return tx.sendMessages([
        { connId: connA, body: bytes('sent') },
        { connId: 'nobody', body: bytes('to nobody') },
      ])
    })
    assert.deepEqual(
      results.map((result) => result instanceof AgentError),
      [false, true],
    )
    assert.equal(text((await b.expect('MSG')).body), 'sent')
    assert.deepEqual([notesOf(store), undone], [['sent'], 1])
    // The same again, as a program that opens its store anew.
    assert.deepEqual(notesOf(a.api.applicationStore(NOTES)), ['sent'])
    assert.throws(() => a.api.applicationStore([]), { name: 'StoreError', code: 'NEWER' })
  })

  it('take messages in the transaction that stores them', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair({ pqA: false, pqB: false })
    const seen = new Keeper(b)
    const { store } = seen
    assert.throws(() => store.receiveWith(() => undefined), AgentError)
    for (const body of ['one', 'two', 'not mine', 'three']) await a.api.sendMessage(connA, bytes(body))
    const event = await b.expect('MSG')
    assert.deepEqual([event.connId, text(event.body)], [connB, 'not mine'])
    // The router brings the next one when this is done with.
    assert.deepEqual(seen.told, ['one', 'two'])
    await b.api.ackMessage(connB, event.msgId)
    await seen.until(3)
    assert.deepEqual(notesOf(store), ['one', 'two', 'three'])
    assert.equal(seen.undone, 0)
  })

  it('get a message again that could not be stored, as soon as it can', async () => {
    await using world = new World()
    const { a, b, connA } = await world.pair({ pqA: false, pqB: false })
    const seen = new Keeper(b)
    const { store } = seen
    const limit = (pages: number) => store.get(`PRAGMA max_page_count = ${pages}`)
    const count = store.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0
    limit(count)
    await assert.rejects(
      async () => {
        for (;;) await store.transaction((tx) => tx.run('INSERT INTO notes (text) VALUES (?)', 'full '.repeat(1000)))
      },
      (error) => error instanceof StoreError && error.code === 'IO',
    )
    assert.equal(seen.undone, 1)
    const large = 'large '.repeat(2000)
    await a.api.sendMessage(connA, bytes(large))
    await b.expect('ERR')
    assert.deepEqual([seen.told, seen.undone > 1], [[], true])
    limit(count + 1000)
    await seen.until(1)
    assert.deepEqual(seen.told, [large])
    await a.api.sendMessage(connA, bytes('next'))
    await seen.until(2)
    assert.deepEqual(notesOf(store).slice(-2), [large, 'next'])
  })

  it('are left as they are when the application fails, and the message comes again', async () => {
    await using world = new World()
    const { a, b, connA } = await world.pair({ pqA: false, pqB: false })
    const seen = new Keeper(b)
    const { store } = seen
    await a.api.sendMessage(connA, bytes('fails'))
    await b.expect('ERR')
    await b.expect('ERR')
    assert.deepEqual([notesOf(store), seen.told, seen.undone > 0], [[], [], true])
  })
})
