import { deepEqual, equal, ok } from 'node:assert/strict'
import { BoxKey, dh, PrivateKey } from '@parley/core/crypto'
import { decode } from '@parley/core/encoding'
import { type AuthKey, notificationMetaCodec, type QueueInfo, SMP_GATES } from '@parley/smp/protocol'
import type { CommandRun } from './commands.ts'
import { body, Connection, expectMessage, newAuthKey, refusal } from './connections.ts'

/** Commands for notifications, to a router that has them. */
export async function runNotifications({ address, version, algorithm }: CommandRun): Promise<void> {
  await using recipient = await Connection.open(address, version)
  await using notified = await Connection.open(address, version)
  const queue = await recipient.newQueue(algorithm)
  const key = newAuthKey(algorithm)
  const dhKey = PrivateKey.generate('x25519')
  const notifier = { ntfKey: key.publicKey as AuthKey, ntfDhKey: dhKey.publicKey }
  const asRecipient = { entityId: queue.rcvId, key: queue.key }
  const nid = await recipient.client.sendCommand({ command: { type: 'NKEY', notifier }, ...asRecipient })
  ok(nid.type === 'NID')
  const notifierId = nid.notifierId.slice()
  const box = new BoxKey(dh(dhKey, nid.ntfDhKey))
  const nsub = { command: { type: 'NSUB' }, entityId: notifierId, key } as const
  equal((await notified.client.sendCommand(nsub)).type, version >= SMP_GATES.service ? 'SOK' : 'OK')
  equal(((await recipient.client.queueInfo(queue)) satisfies QueueInfo).qiNtf, true)

  // Only messages with the flag are told of.
  const message = { sndId: queue.sndId, notification: true, body: body() }
  await recipient.client.send(message)
  const msgId = expectMessage(await recipient.pushedMessage(queue), message.body, true)
  const event = await notified.pushed(notifierId)
  ok(event.type === 'event' && event.message.type === 'NMSG')
  const meta = decode(notificationMetaCodec, box.open(event.message.nonce, event.message.encrypted))
  deepEqual(Buffer.from(meta.msgId), Buffer.from(msgId))
  equal(await recipient.client.ack(queue, msgId), undefined)

  equal((await recipient.client.sendCommand({ command: { type: 'NDEL' }, ...asRecipient })).type, 'OK')
  equal(await refusal(notified.client.sendCommand(nsub)), 'AUTH')
  await recipient.client.delete(queue)
}

/** The same commands to a router without notifications: refused as prohibited, and a queue is made without a notifier. */
export async function runWithoutNotifications({ address, version, algorithm }: CommandRun): Promise<void> {
  await using recipient = await Connection.open(address, version)
  const key = newAuthKey(algorithm)
  const notifier = { ntfKey: key.publicKey as AuthKey, ntfDhKey: PrivateKey.generate('x25519').publicKey }
  const queue = await recipient.newQueue(algorithm, version >= SMP_GATES.newNotifier ? { notifier } : {})
  const asRecipient = { entityId: queue.rcvId, key: queue.key }
  for (const command of [{ type: 'NKEY', notifier }, { type: 'NDEL' }] as const) {
    equal(await refusal(recipient.client.sendCommand({ command, ...asRecipient })), 'CMD PROHIBITED')
  }
  await recipient.client.delete(queue)
}
