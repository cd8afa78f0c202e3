import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'libsql'
import { DATABASE_FILE, IdentityError, SmpRouter, StoreError, StoreLockedError } from '../../src/router/index.ts'
import { RawClient } from './raw-client.ts'
import { newQueue, OK, open, RouterFixture, SOK, send, type TestQueue, textOf } from './router-fixture.ts'

const PROCESS = fileURLToPath(new URL('./router-process.ts', import.meta.url))

class RouterProcess {
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, address: string) {
    this.#child = child
    this.address = address
  }

  static async start(folder: string, port = 0): Promise<RouterProcess> {
    const child = spawn(process.execPath, ['--conditions=parley-source', PROCESS, folder, `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      return new RouterProcess(child, line)
    }
    throw new Error('the router said nothing')
  }

  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** Everything that waits in a queue, acknowledged one by one. */
async function receiveAll(client: RawClient, queue: TestQueue): Promise<string[]> {
  const texts: string[] = []
  assert.deepEqual(await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey), SOK)
  const info = await client.ask({ type: 'QUE' }, queue.rcvId, queue.rcvKey)
  if (info.type === 'INFO' && info.info.qiSize === 0) return texts
  const first = await client.event()
  let message = first.ok ? first.message : undefined
  while (message?.type === 'MSG') {
    texts.push(textOf(queue, message))
    message = await client.ask({ type: 'ACK', msgId: open(queue, message).msgId }, queue.rcvId, queue.rcvKey)
  }
  assert.deepEqual(message, OK)
  return texts
}

describe('durability', () => {
  it('a restart loses nothing and changes nothing', async (t) => {
    const fixture = await RouterFixture.start(t)
    const { address } = fixture.router
    const client = await fixture.connect()
    const queues: TestQueue[] = []
    for (let index = 0; index < 5; index++) {
      const queue = await newQueue(client, { algorithm: index % 2 ? 'x25519' : 'ed25519' })
      for (let text = 0; text < index; text++) await client.ask(send(`${index}/${text}`), queue.sndId)
      queues.push(queue)
    }
    await fixture.restart({ port: fixture.router.port })
    assert.equal(fixture.router.address, address)
    const later = await fixture.connect()
    for (const [index, queue] of queues.entries()) {
      const expected = Array.from({ length: index }, (_, text) => `${index}/${text}`)
      assert.deepEqual(await receiveAll(later, queue), expected)
    }
    await fixture.restart()
    const last = await fixture.connect()
    for (const queue of queues) assert.deepEqual(await receiveAll(last, queue), [])
  })

  it('SIGKILL at any point loses no accepted message, brings none back and keeps the order', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'smp-kill-'))
    t.after(() => rm(folder, { recursive: true }))
    let router = await RouterProcess.start(folder)
    const maker = await RawClient.connect(router.address)
    const queues: TestQueue[] = []
    for (let index = 0; index < 4; index++) queues.push(await newQueue(maker, { subscribe: false }))
    await maker.close()
    const accepted = queues.map((): number[] => [])
    const received = queues.map((): number[] => [])
    // Acknowledged when the router died: whether it took the acknowledgement nobody knows.
    const undecided = new Set<number>()
    let sent = 0

    for (let round = 0; round < 6; round++) {
      const { address } = router
      const work = queues.map(async (queue, index) => {
        const sender = await RawClient.connect(address)
        const recipient = await RawClient.connect(address)
        const receiving = (async () => {
          await recipient.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey)
          let event = await recipient.event()
          for (;;) {
            let message = event.ok ? event.message : undefined
            while (message?.type === 'MSG') {
              const { msgId } = open(queue, message)
              const number = Number(textOf(queue, message).split(' ')[0])
              undecided.add(number)
              message = await recipient.ask({ type: 'ACK', msgId }, queue.rcvId, queue.rcvKey)
              undecided.delete(number)
              received[index]?.push(number)
            }
            event = await recipient.event()
          }
        })().catch(() => {})
        try {
          for (;;) {
            const batch = [sent++, sent++, sent++]
            const commands = batch.map((number) => ({
              command: send(`${number} ${'.'.repeat(3000)}`),
              entityId: queue.sndId,
            }))
            const answers = await sender.askAll(commands)
            accepted[index]?.push(...batch.filter((_, position) => answers[position]?.type === 'OK'))
          }
        } catch {
          await receiving
        }
      })
      const target = sent + 150 + Math.floor(Math.random() * 200)
      const killing = (async () => {
        while (sent < target) await new Promise((resolve) => setImmediate(resolve))
        await router.kill()
      })()
      await Promise.all([killing, ...work])
      router = await RouterProcess.start(folder)
    }

    const last = await RawClient.connect(router.address)
    for (const [index, queue] of queues.entries()) {
      const rest = (await receiveAll(last, queue)).map((text) => Number(text.split(' ')[0]))
      const acknowledged = received[index] ?? []
      const all = [...acknowledged, ...rest]
      assert.deepEqual(
        all,
        all.toSorted((a, b) => a - b),
        'in the order of sending',
      )
      assert.equal(new Set(all).size, all.length, 'nothing that was acknowledged comes back')
      const missing = (accepted[index] ?? []).filter((number) => !all.includes(number) && !undecided.has(number))
      assert.deepEqual(missing, [], `of ${accepted[index]?.length} accepted messages`)
    }
    assert.ok(sent > 900)
    await last.close()
    await router.kill()
  })

  it('one router at a time works on a folder', async (t) => {
    const fixture = await RouterFixture.start(t)
    const again = SmpRouter.start({ dataDir: fixture.folder, host: '127.0.0.1', port: 0 })
    await assert.rejects(again, (error: Error) => {
      return error instanceof StoreLockedError && error.message.includes(fixture.folder)
    })
    const client = await fixture.connect()
    assert.deepEqual(await client.ask({ type: 'PING' }), { type: 'PONG' })
  })

  it('keys and database are readable by their owner alone, and the fingerprint is checked', async (t) => {
    const fixture = await RouterFixture.start(t)
    const { writeFile } = await import('node:fs/promises')
    for (const file of ['ca.key', 'server.key', DATABASE_FILE, `${DATABASE_FILE}-wal`]) {
      assert.equal((await stat(join(fixture.folder, file))).mode & 0o777, 0o600, file)
    }
    await fixture.router.close()
    const file = join(fixture.folder, 'fingerprint')
    const { readFile } = await import('node:fs/promises')
    const right = await readFile(file, 'utf8')
    assert.ok(fixture.router.address.includes(right.trim()))
    await writeFile(file, 'wrong')
    await assert.rejects(fixture.restart(), IdentityError)
    await writeFile(file, right)
    await rm(join(fixture.folder, 'ca.key'))
    await fixture.restart()
  })

  it('a failing disk is answered with STORE, others go on, and it heals', async (t) => {
    const reasons: string[] = []
    const fixture = await RouterFixture.start(t, {
      log: (event) => {
        if (event.event === 'storeFailed') reasons.push(event.reason)
      },
    })
    const client = await fixture.connect()
    const queue = await newQueue(client)
    await client.ask(send('one'), queue.sndId)
    const { msgId } = open(queue, await client.event())
    const database = new Database(join(fixture.folder, DATABASE_FILE), { timeout: 5000 })
    database.exec('ALTER TABLE messages RENAME TO lost')
    const failed = { type: 'ERR', error: { type: 'STORE', detail: 'storage failure' } } as const
    assert.deepEqual(await client.ask(send('two'), queue.sndId), failed)
    const ack = { type: 'ACK', msgId } as const
    assert.deepEqual(await client.ask(ack, queue.rcvId, queue.rcvKey), failed)
    assert.deepEqual(await client.ask({ type: 'PING' }), { type: 'PONG' })
    assert.ok(reasons.length >= 2 && reasons.every((reason) => reason.includes('messages')), `${reasons}`)
    database.exec('ALTER TABLE lost RENAME TO messages')
    database.close()
    assert.deepEqual(await client.ask(send('three'), queue.sndId), OK)
    const next = await client.ask(ack, queue.rcvId, queue.rcvKey)
    assert.equal(textOf(queue, next), 'three')
  })

  it('a database of a later program is refused', async (t) => {
    const fixture = await RouterFixture.start(t)
    await fixture.router.close()
    const database = new Database(join(fixture.folder, DATABASE_FILE))
    database.exec('PRAGMA user_version = 99')
    database.close()
    await assert.rejects(fixture.restart(), (error: Error) => {
      return error instanceof StoreError && error.message.includes('schema 99')
    })
    const repaired = new Database(join(fixture.folder, DATABASE_FILE))
    repaired.exec('PRAGMA user_version = 1')
    repaired.close()
    await fixture.restart()
  })
})
