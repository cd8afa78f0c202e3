import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { senderIdOf } from '@parley/agent/links'
import { type AuthKey, maxMessageLength, SMP_GATES } from '@parley/smp/protocol'
import {
  body,
  Connection,
  expectMessage,
  type KeyAlgorithm,
  newAuthKey,
  type OwnQueue,
  openMessage,
  refusal,
} from './connections.ts'

/** Queue quota of both routers. */
const QUOTA = 128

/** A router and how it is spoken to. */
export interface CommandRun {
  readonly address: string
  readonly version: number
  readonly algorithm: KeyAlgorithm
}

/** Every command of recipients and senders, with what must be refused: the same for both routers. */
export async function runCommands({ address, version, algorithm }: CommandRun): Promise<void> {
  await using recipient = await Connection.open(address, version)
  await using sender = await Connection.open(address, version)
  await recipient.client.ping()
  const run = { recipient, sender, version, algorithm, address }
  const queue = await sendAndSecure(run)
  await takeOver(run, queue)
  await getWithoutSubscription(run)
  await suspendAndDelete(run, queue)
  if (version >= SMP_GATES.shortLinks) {
    await contactLink(run)
    await invitationLink(run)
  }
  deepEqual(await recipient.unexpected(), [])
  deepEqual(await sender.unexpected(), [])
}

interface Clients extends CommandRun {
  readonly recipient: Connection
  readonly sender: Connection
}

async function sendAndSecure({ recipient, sender, version, algorithm }: Clients) {
  const queue = await recipient.newQueue(algorithm, { queueRequest: { mode: 'messaging' } })
  const { sndId } = queue
  const first = body()
  await sender.client.send({ sndId, notification: true, body: first })
  const msgId = expectMessage(await recipient.pushedMessage(queue), first, true)
  equal(await refusal(recipient.client.ack(queue, randomBytes(24))), 'NO_MSG')
  equal(await recipient.client.ack(queue, msgId), undefined)
  equal(await refusal(recipient.client.ack(queue, msgId)), 'NO_MSG')

  const key = newAuthKey(algorithm)
  const other = newAuthKey(algorithm)
  if (version >= SMP_GATES.senderKey) {
    await sender.client.secureBySender(sndId, key)
    await sender.client.secureBySender(sndId, key)
    equal(await refusal(sender.client.secureBySender(sndId, other)), 'AUTH')
  }
  await recipient.client.secureQueue(queue, key.publicKey as AuthKey)
  equal(await refusal(recipient.client.secureQueue(queue, other.publicKey as AuthKey)), 'AUTH')
  equal(await refusal(recipient.client.secureQueue({ ...queue, key: other }, key.publicKey as AuthKey)), 'AUTH')
  equal(await refusal(sender.client.send({ sndId, notification: false, body: first })), 'AUTH')
  equal(await refusal(sender.client.send({ sndId, key: other, notification: false, body: first })), 'AUTH')
  equal(await refusal(sender.client.send({ sndId: queue.rcvId, key, notification: false, body: first })), 'AUTH')

  const largest = body(maxMessageLength(version))
  const last = body(0)
  await sender.client.send({ sndId, key, notification: false, body: largest })
  await sender.client.send({ sndId, key, notification: true, body: last })
  const largestId = expectMessage(await recipient.pushedMessage(queue), largest)
  const next = await recipient.client.ack(queue, largestId)
  ok(next, 'ACK brings the next message')
  equal(await recipient.client.ack(queue, expectMessage(openMessage(queue, next), last, true)), undefined)
  const tooLarge = body(maxMessageLength(version) + 1)
  equal(await refusal(sender.client.send({ sndId, key, notification: false, body: tooLarge })), 'LARGE_MSG')
  return { ...queue, sndKey: key }
}

async function takeOver({ address, recipient, sender, version }: Clients, queue: SecuredQueue): Promise<void> {
  const message = body()
  await using other = await Connection.open(address, version)
  await other.client.subscribe(queue)
  equal(await recipient.pushedEvent(queue.rcvId), 'END')
  await sender.client.send({ sndId: queue.sndId, key: queue.sndKey, notification: false, body: message })
  const msgId = expectMessage(await other.pushedMessage(queue), message)
  // Not acknowledged: the next subscription brings it again.
  await recipient.client.subscribe(queue)
  equal(await other.pushedEvent(queue.rcvId), 'END')
  deepEqual(expectMessage(await recipient.pushedMessage(queue), message), msgId)
  await recipient.client.subscribe(queue)
  deepEqual(expectMessage(await recipient.pushedMessage(queue), message), msgId)
  equal(await refusal(other.client.ack(queue, msgId)), 'NO_MSG')
  equal(await recipient.client.ack(queue, msgId), undefined)
  deepEqual(await other.unexpected(), [])
}

async function getWithoutSubscription({ address, recipient, sender, version, algorithm }: Clients): Promise<void> {
  const queue = await recipient.newQueue(algorithm, { subscribe: false })
  await using getter = await Connection.open(address, version)
  equal(await getter.client.get(queue), undefined)
  const [first, second] = [body(), body()]
  await sender.client.send({ sndId: queue.sndId, notification: false, body: first })
  await sender.client.send({ sndId: queue.sndId, notification: true, body: second })
  const got = await getter.client.get(queue)
  ok(got)
  const msgId = expectMessage(openMessage(queue, got), first)
  equal(await refusal(getter.client.subscribe(queue)), 'CMD PROHIBITED')
  equal(await getter.client.ack(queue, msgId), undefined)
  await recipient.client.subscribe(queue)
  const secondId = expectMessage(await recipient.pushedMessage(queue), second, true)
  equal(await refusal(recipient.client.get(queue)), 'CMD PROHIBITED')
  equal(await recipient.client.ack(queue, secondId), undefined)
  await recipient.client.delete(queue)
}

type SecuredQueue = OwnQueue & { readonly sndKey: ReturnType<typeof newAuthKey> }

async function suspendAndDelete({ address, recipient, sender, version }: Clients, queue: SecuredQueue): Promise<void> {
  const message = { sndId: queue.sndId, key: queue.sndKey, notification: false, body: body() }
  await sender.client.send(message)
  const { qiSnd, qiNtf, qiSize, qiSub, qiMsg } = await recipient.client.queueInfo(queue)
  deepEqual([qiSnd, qiNtf, qiSize, qiSub?.qSubThread, qiMsg?.msgType], [true, false, 1, 'noSub', 'message'])
  equal(qiSub?.qDelivered, qiMsg?.msgId)
  await recipient.client.suspend(queue)
  equal(await refusal(sender.client.send(message)), 'AUTH')
  const msgId = expectMessage(await recipient.pushedMessage(queue), message.body)
  equal(await recipient.client.ack(queue, msgId), undefined)

  await using other = await Connection.open(address, version)
  await other.client.delete(queue)
  equal(await recipient.pushedEvent(queue.rcvId), version >= SMP_GATES.deletedEvent ? 'DELD' : 'END')
  equal(await refusal(recipient.client.subscribe(queue)), 'AUTH')
  equal(await refusal(recipient.client.delete(queue)), 'AUTH')
  equal(await refusal(sender.client.send(message)), 'AUTH')
}

async function contactLink({ recipient, sender, algorithm }: Clients): Promise<void> {
  const corrId = randomBytes(24)
  const linkId = randomBytes(24)
  const link = { fixed: body(2048), user: body(13824) }
  const data = { linkId, senderId: senderIdOf(corrId), link }
  const wrong = { linkId, senderId: randomBytes(24), link }
  equal(
    await refusal(recipient.newQueue(algorithm, { corrId, queueRequest: { mode: 'contact', data: wrong } })),
    'CMD PROHIBITED',
  )
  const queue = await recipient.newQueue(algorithm, {
    corrId: randomBytes(24).fill(corrId),
    queueRequest: { mode: 'contact', data },
  })
  deepEqual(Buffer.from(queue.sndId), Buffer.from(data.senderId))
  const contents = await sender.client.getLinkData(linkId)
  deepEqual(plain(contents), plain({ sndId: queue.sndId, link }))
  const user = body(13824)
  await recipient.client.setLinkData(queue, linkId, { ...link, user })
  deepEqual(plain(await sender.client.getLinkData(linkId)), plain({ sndId: queue.sndId, link: { ...link, user } }))
  equal(await refusal(recipient.client.setLinkData(queue, linkId, { fixed: body(2048), user })), 'AUTH')
  equal(await refusal(sender.client.secureBySender(queue.sndId, newAuthKey(algorithm))), 'AUTH')

  const second = newAuthKey(algorithm)
  await recipient.client.setRecipientKeys(queue, [queue.key.publicKey as AuthKey, second.publicKey as AuthKey])
  await recipient.client.queueInfo({ ...queue, key: second })
  await recipient.client.deleteLinkData(queue)
  await recipient.client.deleteLinkData(queue)
  equal(await refusal(sender.client.getLinkData(linkId)), 'AUTH')
  await recipient.client.delete({ ...queue, key: second })
}

async function invitationLink({ recipient, sender, algorithm }: Clients): Promise<void> {
  const corrId = randomBytes(24)
  const link = { fixed: body(2048), user: body(13824) }
  const queue = await recipient.newQueue(algorithm, {
    corrId,
    queueRequest: { mode: 'messaging', data: { senderId: senderIdOf(corrId), link } },
  })
  const { linkId, sndId } = queue
  ok(linkId, 'no link id')
  equal(await refusal(sender.client.getLinkData(linkId)), 'AUTH')
  const key = newAuthKey(algorithm)
  deepEqual(plain(await sender.client.secureAndGetLinkData(linkId, key)), plain({ sndId, link }))
  deepEqual(plain(await sender.client.secureAndGetLinkData(linkId, key)), plain({ sndId, link }))
  equal(await refusal(sender.client.secureAndGetLinkData(linkId, newAuthKey(algorithm))), 'AUTH')
  equal(await refusal(recipient.client.setRecipientKeys(queue, [queue.key.publicKey as AuthKey])), 'AUTH')
  const message = body()
  await sender.client.send({ sndId, key, notification: false, body: message })
  await recipient.client.ack(queue, expectMessage(await recipient.pushedMessage(queue), message))
  equal(await refusal(sender.client.secureAndGetLinkData(linkId, key)), 'AUTH')
  await recipient.client.delete(queue)
}

/** Fills a queue: so many messages are accepted, then none until it is empty, and the recipient is told. */
export async function runQuota({ address, version, algorithm }: CommandRun): Promise<number> {
  await using recipient = await Connection.open(address, version)
  await using sender = await Connection.open(address, version)
  const queue = await recipient.newQueue(algorithm)
  const message = (index: number) => ({
    sndId: queue.sndId,
    notification: false,
    body: Buffer.from(`message ${index}`),
  })
  for (let index = 0; index < QUOTA; index++) await sender.client.send(message(index))
  for (let tries = 0; tries < 3; tries++) equal(await refusal(sender.client.send(message(QUOTA))), 'QUOTA')
  let received = await recipient.pushedMessage(queue)
  for (let index = 0; index < QUOTA; index++) {
    equal(await refusal(sender.client.send(message(QUOTA))), 'QUOTA')
    const next = await recipient.client.ack(queue, expectMessage(received, message(index).body))
    ok(next, 'the marker comes after the last message')
    received = openMessage(queue, next)
  }
  equal(received.content.type, 'quota')
  equal(await recipient.client.ack(queue, received.msgId), undefined)
  await sender.client.send(message(QUOTA))
  await recipient.client.ack(queue, expectMessage(await recipient.pushedMessage(queue), message(QUOTA).body))
  await recipient.client.delete(queue)
  return QUOTA
}

/** Subscribes many queues in one batch from a new connection; each has a message waiting. */
export async function runManyQueues({ address, version, algorithm }: CommandRun, count: number): Promise<void> {
  await using sender = await Connection.open(address, version)
  const queues = await createMany(address, version, algorithm, count)
  await Promise.all(
    queues.map(({ sndId }) => sender.client.send({ sndId, notification: false, body: Buffer.from(sndId) })),
  )
  await using recipient = await Connection.open(address, version)
  const results = await recipient.client.subscribeMany(queues)
  deepEqual(
    results.filter((result) => result instanceof Error),
    [],
  )
  for (const queue of queues) {
    const msgId = expectMessage(await recipient.pushedMessage(queue), Buffer.from(queue.sndId))
    equal(await recipient.client.ack(queue, msgId), undefined)
  }
  for (const queue of queues) await recipient.client.delete(queue)
}

async function createMany(
  address: string,
  version: number,
  algorithm: KeyAlgorithm,
  count: number,
): Promise<OwnQueue[]> {
  await using creator = await Connection.open(address, version)
  return await Promise.all(Array.from({ length: count }, () => creator.newQueue(algorithm)))
}

/** Views and buffers alike, for comparison. */
function plain({ sndId, link }: { sndId: Uint8Array; link: { fixed: Uint8Array; user: Uint8Array } }) {
  return [sndId, link.fixed, link.user].map((bytes) => Buffer.from(bytes).toString('hex'))
}
