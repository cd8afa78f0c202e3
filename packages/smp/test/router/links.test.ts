import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import type { BrokerMessage } from '../../src/protocol/index.ts'
import { senderIdOf } from '../../src/router/create-queue.ts'
import { cmdErr, err, newQueue, newQueueCommand, OK, RouterFixture, send } from './router-fixture.ts'

function linkData() {
  return { fixed: new Uint8Array(randomBytes(2048)), user: new Uint8Array(randomBytes(13_784)) }
}

function lnk(sndId: Uint8Array, link: ReturnType<typeof linkData>): BrokerMessage {
  return { type: 'LNK', sndId, link }
}

/** Views of blocks and Buffers compare as their bytes. */
function same(actual: BrokerMessage, expected: BrokerMessage): void {
  const plain = (message: BrokerMessage) =>
    JSON.stringify(message, (_key, value) =>
      value instanceof Uint8Array
        ? Buffer.from(value).toString('hex')
        : value?.type === 'Buffer'
          ? Buffer.from(value).toString('hex')
          : value,
    )
  assert.equal(plain(actual), plain(expected))
}

describe('short links', () => {
  it('of one-time invitations are opened by the first who asks', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const corrId = new Uint8Array(randomBytes(24))
    const link = linkData()
    const senderId = senderIdOf(corrId)
    const queueRequest = { mode: 'messaging', data: { senderId, link } } as const
    const queue = await newQueue(bob, { corrId, queueRequest })
    const linkId = queue.linkId as Uint8Array
    assert.deepEqual(Buffer.from(queue.sndId), Buffer.from(senderId))
    assert.equal(linkId.length, 24)

    assert.deepEqual(await alice.ask({ type: 'LGET' }, linkId), err('AUTH'), 'a key is needed')
    const sndKey = PrivateKey.generate('ed25519')
    const lkey = { type: 'LKEY', sndAuthKey: sndKey.publicKey } as const
    assert.deepEqual(await alice.ask(lkey, linkId, PrivateKey.generate('ed25519')), err('AUTH'))
    assert.deepEqual(await alice.ask(lkey, randomBytes(24), sndKey), err('AUTH'))
    same(await alice.ask(lkey, linkId, sndKey), lnk(queue.sndId, link))
    same(await alice.ask(lkey, linkId, sndKey), lnk(queue.sndId, link))
    const other = PrivateKey.generate('ed25519')
    assert.deepEqual(await alice.ask({ type: 'LKEY', sndAuthKey: other.publicKey }, linkId, other), err('AUTH'))
    const lset = { type: 'LSET', linkId, link } as const
    assert.deepEqual(await bob.ask(lset, queue.rcvId, queue.rcvKey), err('AUTH'), 'secured')

    assert.deepEqual(await alice.ask(send('unsigned'), queue.sndId), err('AUTH'))
    same(await alice.ask(lkey, linkId, sndKey), lnk(queue.sndId, link))
    assert.deepEqual(await alice.ask(send('first'), queue.sndId, sndKey), OK)
    assert.deepEqual(await alice.ask(lkey, linkId, sndKey), err('AUTH'), 'the first message ends the link')
  })

  it('of contact addresses are opened by anyone, changed and deleted by the owner', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const corrId = new Uint8Array(randomBytes(24))
    const linkId = new Uint8Array(randomBytes(24))
    const link = linkData()
    const queueRequest = { mode: 'contact', data: { linkId, senderId: senderIdOf(corrId), link } } as const
    const queue = await newQueue(bob, { corrId, queueRequest })
    const { rcvId, sndId, rcvKey } = queue
    assert.deepEqual(Buffer.from(queue.linkId as Uint8Array), Buffer.from(linkId))
    same(await alice.ask({ type: 'LGET' }, linkId), lnk(sndId, link))
    assert.deepEqual(await alice.ask({ type: 'LGET' }, randomBytes(24)), err('AUTH'))
    const key = PrivateKey.generate('ed25519')
    assert.deepEqual(await alice.ask({ type: 'LKEY', sndAuthKey: key.publicKey }, linkId, key), err('AUTH'))

    const changed = { ...link, user: linkData().user }
    assert.deepEqual(await bob.ask({ type: 'LSET', linkId, link: changed }, rcvId, key), err('AUTH'))
    assert.deepEqual(await bob.ask({ type: 'LSET', linkId, link: changed }, rcvId, rcvKey), OK)
    same(await alice.ask({ type: 'LGET' }, linkId), lnk(sndId, changed))
    const otherId = { type: 'LSET', linkId: randomBytes(24), link } as const
    assert.deepEqual(await bob.ask(otherId, rcvId, rcvKey), err('AUTH'), 'another id')
    const otherFixed = { type: 'LSET', linkId, link: linkData() } as const
    assert.deepEqual(await bob.ask(otherFixed, rcvId, rcvKey), err('AUTH'), 'other fixed data')

    const messages = [send('one'), send('two')]
    for (const message of messages) assert.deepEqual(await alice.ask(message, sndId), OK)
    same(await alice.ask({ type: 'LGET' }, linkId), lnk(sndId, changed))
    await fixture.restart()
    const later = await fixture.connect()
    same(await later.ask({ type: 'LGET' }, linkId), lnk(sndId, changed))
    assert.deepEqual(await later.ask({ type: 'LDEL' }, rcvId, rcvKey), OK)
    assert.deepEqual(await later.ask({ type: 'LDEL' }, rcvId, rcvKey), OK, 'nothing to delete')
    assert.deepEqual(await later.ask({ type: 'LGET' }, linkId), err('AUTH'))
    assert.deepEqual(await later.ask({ type: 'LSET', linkId, link }, rcvId, rcvKey), OK, 'set anew')
    same(await later.ask({ type: 'LGET' }, linkId), lnk(sndId, link))
    assert.deepEqual(await later.ask({ type: 'DEL' }, rcvId, rcvKey), OK)
    assert.deepEqual(await later.ask({ type: 'LGET' }, linkId), err('AUTH'))
  })

  it('cannot be taken over from another queue', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const linkId = new Uint8Array(randomBytes(24))
    const link = linkData()
    const [owner, thief] = [
      await newQueue(client, { queueRequest: { mode: 'contact' } }),
      await newQueue(client, { queueRequest: { mode: 'contact' } }),
    ]
    assert.deepEqual(await client.ask({ type: 'LSET', linkId, link }, owner.rcvId, owner.rcvKey), OK)
    const stolen = { type: 'LSET', linkId, link: linkData() } as const
    assert.deepEqual(await client.ask(stolen, thief.rcvId, thief.rcvKey), err('AUTH'))
    same(await client.ask({ type: 'LGET' }, linkId), lnk(owner.sndId, link))
    const mine = { type: 'LSET', linkId: randomBytes(24), link } as const
    assert.deepEqual(await client.ask(mine, thief.rcvId, thief.rcvKey), OK, 'a free id can still be taken')

    const corrId = new Uint8Array(randomBytes(24))
    const { command, rcvKey } = newQueueCommand({
      queueRequest: { mode: 'contact', data: { linkId, senderId: senderIdOf(corrId), link } },
    })
    assert.deepEqual(await client.askAll([{ command, key: rcvKey, corrId }]), [err('AUTH')])
  })

  it('are made only with the sender id that follows from the corrId', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const corrId = new Uint8Array(randomBytes(24))
    const wrong = { mode: 'messaging', data: { senderId: randomBytes(24), link: linkData() } } as const
    const { command, rcvKey } = newQueueCommand({ queueRequest: wrong })
    assert.deepEqual(await client.askAll([{ command, key: rcvKey, corrId }]), [cmdErr('PROHIBITED')])
    const queueRequest = { mode: 'messaging', data: { senderId: senderIdOf(corrId), link: linkData() } } as const
    await newQueue(client, { corrId, queueRequest })
    const again = newQueueCommand({ queueRequest })
    const answers = await client.askAll([{ command: again.command, key: again.rcvKey, corrId }])
    assert.deepEqual(answers, [err('AUTH')], 'the id is in use')
  })

  it('of queues made before version 9 are opened until the queue is secured', async (t) => {
    const fixture = await RouterFixture.start(t)
    const legacy = await fixture.connect({ version: 8 })
    const client = await fixture.connect()
    const queue = await newQueue(legacy)
    const linkId = new Uint8Array(randomBytes(24))
    const link = linkData()
    assert.deepEqual(await client.ask({ type: 'LSET', linkId, link }, queue.rcvId, queue.rcvKey), OK)
    same(await client.ask({ type: 'LGET' }, linkId), lnk(queue.sndId, link))
    const key = { type: 'KEY', sndAuthKey: queue.rcvKey.publicKey } as const
    assert.deepEqual(await client.ask(key, queue.rcvId, queue.rcvKey), OK)
    assert.deepEqual(await client.ask({ type: 'LGET' }, linkId), err('AUTH'))
  })
})
