import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import type { QueueMode, SmpServer } from '@parley/smp/protocol'
import fc from 'fast-check'
import { decodeReplyQueues, encodeReplyQueues } from '../../src/connection/reply-queues.ts'
import { decodeDurable, Effects } from '../../src/effects.ts'
import { AgentStore } from '../../src/store/agent-store.ts'
import { insertCommand, nextCommand, removeCommand } from '../../src/store/commands.ts'
import {
  getConnection,
  insertConnection,
  listConnections,
  listDeletedConnections,
  removeConnection,
  setLastReceived,
  setLastSent,
  takeMsgId,
  updateConnection,
} from '../../src/store/connections.ts'
import type { Db } from '../../src/store/database.ts'
import { hasEncryptedHash, insertEncryptedHash, removeEncryptedHashes } from '../../src/store/dedup.ts'
import { getRatchet, insertX3dhKeys, skippedKeysOf, updateSkippedKeys } from '../../src/store/ratchets.ts'
import {
  findRcvQueue,
  getRcvQueue,
  insertRcvQueue,
  type NewRcvQueue,
  rcvQueuesOf,
  updateRcvQueue,
} from '../../src/store/rcv-queues.ts'
import type { QueueStatus } from '../../src/store/records.ts'
import { insertBody } from '../../src/store/snd-bodies.ts'
import {
  closeOldMessages,
  finishDelivery,
  getMessageStatus,
  insertDelivery,
  insertSndMessage,
  nextDelivery,
  removeClosedMessages,
  setMessageState,
} from '../../src/store/snd-messages.ts'
import {
  findSndQueue,
  insertSndQueue,
  sendableQueuesOf,
  setSndQueueStatus,
  sndQueuesOf,
} from '../../src/store/snd-queues.ts'
import { eventsOf, removeEvent } from '../../src/store/undelivered-events.ts'
import { TestFolder } from './folder.ts'

const DAY = 24 * 3600 * 1000

class TestStore implements Disposable {
  readonly #folder = new TestFolder()
  readonly store = AgentStore.open({ path: this.#folder.path('agent.db') })

  read<T>(query: (db: Db) => T): T {
    return this.store.read(query)
  }

  addConnection(connId: string): void {
    const connection = { connId, mode: 'invitation', agentVersion: 7, pqSupport: true, createdAt: Date.now() } as const
    this.read((db) => insertConnection(db, connection))
  }

  [Symbol.dispose](): void {
    this.store.close()
    this.#folder[Symbol.dispose]()
  }
}

const server: SmpServer = { hosts: ['a.example', 'b.example'], port: '5223', keyHash: new Uint8Array(32).fill(1) }

function rcvQueue(connId: string, change: Partial<NewRcvQueue> = {}): NewRcvQueue {
  return {
    connId,
    server,
    rcvId: randomBytes(24),
    sndId: randomBytes(24),
    rcvPrivateKey: PrivateKey.generate('ed25519'),
    rcvDhSecret: randomBytes(32),
    e2ePrivateKey: PrivateKey.generate('x25519'),
    status: 'new',
    clientVersion: 4,
    queueMode: 'messaging',
    isPrimary: true,
    ...change,
  }
}

function sndQueue(connId: string) {
  return {
    connId,
    server,
    sndId: randomBytes(24),
    sndPrivateKey: PrivateKey.generate('ed25519'),
    e2ePublicKey: PrivateKey.generate('x25519').publicKey,
    e2eDhSecret: randomBytes(32),
    status: 'new',
    clientVersion: 4,
    isPrimary: true,
  } as const
}

describe('connections in the store', () => {
  it('keep their sequences, versions and states', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      assert.equal(takeMsgId(db, 'one'), 1)
      assert.equal(takeMsgId(db, 'one'), 2)
      setLastSent(db, 'one', 5, new Uint8Array([1]))
      const far = 2n ** 63n - 1n
      setLastReceived(db, 'one', far, new Uint8Array([2]))
      updateConnection(db, 'one', { agentVersion: 6, pqSupport: false, ratchetSyncState: 'allowed', connectedAt: 99 })
      const connection = getConnection(db, 'one')
      assert.ok(connection)
      const { createdAt: _, ...rest } = connection
      assert.deepEqual(rest, {
        connId: 'one',
        mode: 'invitation',
        agentVersion: 6,
        pqSupport: false,
        lastMsgId: 2,
        lastSndMsgId: 5,
        lastExternalSndMsgId: far,
        lastRcvMsgHash: Buffer.from([2]),
        lastSndMsgHash: Buffer.from([1]),
        ratchetSyncState: 'allowed',
        connectedAt: 99,
      })
    })
  })

  it('are not listed once they are deleted, and take everything with them', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.addConnection('two')
    test.read((db) => {
      const queue = insertSndQueue(db, sndQueue('one'))
      const bodyId = insertBody(db, new Uint8Array(10))
      for (const connId of ['one', 'two']) addMessage(db, connId, 1, bodyId)
      insertDelivery(db, 'one', 1, queue.sndQueueId)
      updateConnection(db, 'one', { deletedAt: 5 })
      const ids = (list: readonly { connId: string }[]) => list.map(({ connId }) => connId)
      assert.deepEqual(ids(listConnections(db)), ['two'])
      assert.deepEqual(ids(listDeletedConnections(db)), ['one'])
      removeConnection(db, 'one')
      assert.equal(getConnection(db, 'one'), undefined)
      assert.equal(db.all('SELECT * FROM snd_message_bodies').length, 1)
      removeConnection(db, 'two')
      for (const table of ['snd_message_bodies', 'snd_messages', 'snd_message_deliveries', 'snd_queues']) {
        assert.deepEqual(db.all(`SELECT * FROM ${table}`), [], table)
      }
    })
  })
})

describe('queues in the store', () => {
  it('come back as they were stored, and are found by address', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      const link = {
        linkId: randomBytes(24),
        linkKey: randomBytes(32),
        privateKey: PrivateKey.generate('ed25519'),
        fixedData: randomBytes(100),
      }
      const stored = insertRcvQueue(db, rcvQueue('one', { link }))
      const read = getRcvQueue(db, stored.rcvQueueId)
      assert.ok(read?.link)
      assert.deepEqual(read.server, { ...server, keyHash: Buffer.from(server.keyHash) })
      assert.deepEqual(Buffer.from(read.rcvPrivateKey.raw), Buffer.from(stored.rcvPrivateKey.raw))
      assert.deepEqual(Buffer.from(read.link.privateKey.raw), Buffer.from(link.privateKey.raw))
      assert.equal(findRcvQueue(db, server, stored.rcvId)?.rcvQueueId, stored.rcvQueueId)
      assert.equal(findRcvQueue(db, { ...server, port: '' }, stored.rcvId), undefined)
      updateRcvQueue(db, stored.rcvQueueId, { status: 'active', e2eDhSecret: randomBytes(32), link: null })
      assert.deepEqual(
        rcvQueuesOf(db, 'one').map(({ status, link: none }) => [status, none]),
        [['active', undefined]],
      )
      assert.throws(() => insertRcvQueue(db, rcvQueue('one', { rcvId: stored.rcvId })), /UNIQUE/)
      const snd = insertSndQueue(db, sndQueue('one'))
      setSndQueueStatus(db, snd.sndQueueId, 'secured')
      assert.equal(sndQueuesOf(db, 'one')[0]?.status, 'secured')
      assert.equal(findSndQueue(db, server, snd.sndId)?.sndQueueId, snd.sndQueueId)
      assert.equal(db.all('SELECT * FROM servers').length, 1)
    })
  })

  it('are sent to when they are secured, or need not be: the primary one first', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      const statuses = ['new', 'confirmed', 'secured', 'active', 'disabled'] as const
      const idOf = (status: QueueStatus, queueMode: QueueMode, isPrimary = false) =>
        insertSndQueue(db, { ...sndQueue('one'), status, queueMode, isPrimary }).sndQueueId
      const contact = new Map(statuses.map((status) => [status, idOf(status, 'contact')]))
      const messaging = new Map(statuses.map((status) => [status, idOf(status, 'messaging')]))
      const primary = idOf('active', 'messaging', true)
      const expected = [contact.get('secured'), contact.get('active')]
      expected.push(messaging.get('confirmed'), messaging.get('secured'), messaging.get('active'))
      assert.deepEqual(sendableQueuesOf(db, 'one'), [primary, ...expected])
    })
  })
})

describe('ratchets in the store', () => {
  it('keep keys until the ratchet is there, and skipped keys one by one', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      insertX3dhKeys(db, 'one', { key1: PrivateKey.generate('x448'), key2: PrivateKey.generate('x448') })
      assert.equal(getRatchet(db, 'one'), undefined)
      const headerKey = randomBytes(32)
      const key = (number: number) => ({
        headerKey,
        number,
        messageKey: { key: Buffer.alloc(32, number), iv: Buffer.alloc(16, number) },
      })
      updateSkippedKeys(db, 'one', { added: [key(1), key(2)] })
      updateSkippedKeys(db, 'one', { added: [], removed: { headerKey, number: 1 } })
      const keys = skippedKeysOf(db, 'one')
      assert.deepEqual([...keys.headerKeys()].map(Buffer.from), [headerKey])
      assert.equal(keys.find(headerKey, 1), undefined)
      assert.deepEqual(Buffer.from(keys.find(headerKey, 2)?.key ?? []), Buffer.alloc(32, 2))
    })
  })
})

function addMessage(db: Db, connId: string, msgId: number, bodyId: number, createdAt = 1000, msgType = 'M'): void {
  insertSndMessage(db, {
    connId,
    msgId,
    sndMsgId: msgId,
    msgType,
    prevHash: new Uint8Array(),
    hash: randomBytes(32),
    bodyId,
    encryptKey: randomBytes(10),
    paddedLength: 100,
    notification: true,
    pq: true,
    createdAt,
  })
}

describe('sent messages in the store', () => {
  it('are delivered in order and keep their state when their content is gone', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      const { sndQueueId } = insertSndQueue(db, sndQueue('one'))
      for (const msgId of [3, 1, 2]) {
        addMessage(db, 'one', msgId, insertBody(db, Buffer.from(`body ${msgId}`)), 1000, msgId === 2 ? 'H' : 'M')
        insertDelivery(db, 'one', msgId, sndQueueId)
      }
      const seen: number[] = []
      for (let next = nextDelivery(db, sndQueueId); next; next = nextDelivery(db, sndQueueId)) {
        assert.equal(Buffer.from(next.body).toString(), `body ${next.message.msgId}`)
        seen.push(next.message.msgId)
        finishDelivery(db, next)
      }
      assert.deepEqual(seen, [1, 2, 3])
      assert.deepEqual(db.all('SELECT * FROM snd_message_bodies'), [])
      assert.deepEqual(
        db.all<{ msg_id: number }>('SELECT msg_id FROM snd_messages ORDER BY msg_id').map((row) => row.msg_id),
        [1, 3],
      )
    })
  })

  it('tell since when they wait, and why', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      addMessage(db, 'one', 1, insertBody(db, new Uint8Array()))
      const reason = { type: 'network', error: { type: 'BROKER' } } as const
      setMessageState(db, 'one', 1, { state: 'waiting', at: 2000, nextTryAt: 2500, reason })
      setMessageState(db, 'one', 1, { state: 'waiting', at: 3000, nextTryAt: 3500, reason })
      const waiting = { state: 'waiting', stateAt: 2000, nextTryAt: 3500, reason, createdAt: 1000 }
      assert.deepEqual(getMessageStatus(db, 'one', 1), waiting)
      setMessageState(db, 'one', 1, { state: 'sent', at: 4000 })
      assert.deepEqual(getMessageStatus(db, 'one', 1), { state: 'sent', stateAt: 4000, sentAt: 4000, createdAt: 1000 })
      setMessageState(db, 'one', 1, { state: 'received', at: 5000 })
      const received = { state: 'received', stateAt: 5000, sentAt: 4000, createdAt: 1000 }
      assert.deepEqual(getMessageStatus(db, 'one', 1), received)
    })
  })

  it('are forgotten 30 days after the protocol is done with them', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      for (const [msgId, state] of [
        [1, 'sent'],
        [2, 'failed'],
        [3, 'pending'],
      ] as const) {
        addMessage(db, 'one', msgId, insertBody(db, new Uint8Array()), 0)
        if (state !== 'pending') setMessageState(db, 'one', msgId, { state, at: 0 })
      }
      const left = () => [1, 2, 3].filter((msgId) => getMessageStatus(db, 'one', msgId))
      const cleanUp = (now: number) => {
        closeOldMessages(db, now - 21 * DAY, now)
        removeClosedMessages(db, now - 30 * DAY)
      }
      cleanUp(22 * DAY)
      assert.deepEqual(left(), [1, 2, 3])
      cleanUp(31 * DAY)
      assert.deepEqual(left(), [1, 3])
      cleanUp(51 * DAY)
      assert.deepEqual(left(), [1, 3])
      cleanUp(53 * DAY)
      assert.deepEqual(left(), [3])
    })
  })
})

describe('the rest of the store', () => {
  it('keeps commands in order, in lanes', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      insertCommand(db, 'one', { type: 'ALLOW_SECURE', confirmationId: 'c' })
      const ack = insertCommand(db, 'one', { type: 'ACK', rcvQueueId: 1, brokerId: 'b' })
      insertCommand(db, 'one', { type: 'ACK_DEL', rcvQueueId: 1, brokerId: 'b2' })
      assert.equal(nextCommand(db, 'one', 'work')?.command.type, 'ALLOW_SECURE')
      assert.equal(nextCommand(db, 'one', 'ack')?.command.type, 'ACK')
      removeCommand(db, ack)
      assert.equal(nextCommand(db, 'one', 'ack')?.command.type, 'ACK_DEL')
    })
  })

  it('remembers encrypted messages for some time', () => {
    using test = new TestStore()
    test.addConnection('one')
    test.read((db) => {
      const hash = randomBytes(32)
      insertEncryptedHash(db, 'one', hash)
      insertEncryptedHash(db, 'one', hash)
      assert.ok(hasEncryptedHash(db, 'one', hash))
      assert.equal(removeEncryptedHashes(db, Date.now() - DAY), 0)
      assert.equal(removeEncryptedHashes(db, Date.now() + DAY), 1)
      assert.ok(!hasEncryptedHash(db, 'one', hash))
    })
  })

  it('repeats events with all their bytes until they are taken', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (info, pq) => {
        using test = new TestStore()
        test.addConnection('one')
        test.read((db) => {
          const effects = new Effects()
          effects.emitDurable(db, { event: 'INFO', connId: 'one', info, pq })
          effects.emitDurable(db, { event: 'CON', connId: 'one', pq })
          const stored = eventsOf(db, 'one')
          assert.deepEqual(
            stored.map(({ event }) => decodeDurable(event)),
            [
              { event: 'INFO', connId: 'one', info: Buffer.from(info), pq },
              { event: 'CON', connId: 'one', pq },
            ],
          )
          for (const { eventId } of stored) removeEvent(db, eventId)
          assert.deepEqual(eventsOf(db, 'one'), [])
        })
      }),
      { numRuns: 10 },
    )
  })

  it('keeps the queues of a confirmation', () => {
    const queue = {
      version: 4,
      server,
      senderId: randomBytes(24),
      dhKey: PrivateKey.generate('x25519').publicKey,
      mode: 'messaging',
    } as const
    const [read] = decodeReplyQueues(encodeReplyQueues([queue]))
    assert.deepEqual(Buffer.from(read.senderId), queue.senderId)
    assert.ok(read.dhKey.equals(queue.dhKey))
  })

  it('forgets connections that a crash left without a queue', () => {
    using folder = new TestFolder()
    const path = folder.path('agent.db')
    const store = AgentStore.open({ path })
    store.read((db) => {
      insertConnection(db, { connId: 'left', mode: 'invitation', agentVersion: 7, pqSupport: true, createdAt: 1 })
      insertConnection(db, { connId: 'made', mode: 'invitation', agentVersion: 7, pqSupport: true, createdAt: 2 })
      insertRcvQueue(db, rcvQueue('made'))
    })
    store.close()
    const again = AgentStore.open({ path })
    assert.deepEqual(
      again.read(listConnections).map(({ connId }) => connId),
      ['made'],
    )
    again.close()
  })
})
