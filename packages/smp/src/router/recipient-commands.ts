import type { AuthKey, BrokerMessage, Command, QueueInfo } from '../protocol/types.ts'
import { type LiveQueue, type Recipient, type Subscription, UnsealedMessage } from './live-queue.ts'
import { clearLink, copyKey, copyLink, isSecuredMessagingQueue } from './queue-changes.ts'
import { AUTH, NO_MSG, OK, PROHIBITED, persisted, type RouterContext, SOK } from './router-context.ts'
import type { StoredMessage } from './store.ts'

type Answer = BrokerMessage | Promise<BrokerMessage>
type LinkSet = Command & { readonly type: 'LSET' }

/** RKEY: keys of those who manage a contact address. */
export async function recipientKeys(
  context: RouterContext,
  queue: LiveQueue,
  keys: readonly [AuthKey, ...AuthKey[]],
): Promise<BrokerMessage> {
  if (queue.record.mode !== 'contact') return AUTH
  const rcvKeys = keys.map(copyKey) as [AuthKey, ...AuthKey[]]
  queue.record = { ...queue.record, rcvKeys }
  await persisted(context, queue, context.store.updateQueue(queue.number, { rcvKeys }))
  return OK
}

/** LSET: gives the queue a short link, or other user data to the one it has. */
export async function setLink(context: RouterContext, queue: LiveQueue, command: LinkSet): Promise<BrokerMessage> {
  const { record } = queue
  if (isSecuredMessagingQueue(record)) return AUTH
  const link = copyLink(command.linkId, command.link)
  const isNew = record.linkId === undefined
  if (record.linkId && Buffer.compare(record.linkId, link.linkId) !== 0) return AUTH
  // Taken before the store agrees, so that no other id can be asked for meanwhile.
  if (isNew) queue.record = { ...record, linkId: link.linkId }
  const accepted = await persisted(context, queue, context.store.setLink(queue.number, link))
  if (accepted) {
    if (isNew && !queue.isDeleted && queue.record.linkId === link.linkId) context.queues.addLink(queue, link.linkId)
    return OK
  }
  if (isNew && queue.record.linkId === link.linkId) {
    const { linkId: _refused, ...unlinked } = queue.record
    queue.record = unlinked
  }
  return AUTH
}

/** LDEL: takes the short link away, if there is one. */
export async function deleteLink(context: RouterContext, queue: LiveQueue): Promise<BrokerMessage> {
  await clearLink(context, queue)
  return OK
}

/** OFF: no more messages, for ever; those that wait can still be received. */
export async function suspend(context: RouterContext, queue: LiveQueue): Promise<BrokerMessage> {
  const status = { type: 'off' } as const
  queue.record = { ...queue.record, status }
  await persisted(context, queue, context.store.updateQueue(queue.number, { status }))
  return OK
}

/** DEL: removes the queue with its messages. */
export async function deleteQueue(
  context: RouterContext,
  session: Recipient,
  queue: LiveQueue,
): Promise<BrokerMessage> {
  session.dropSubscription(queue)
  context.queues.remove(queue)
  let reason: 'DELD' | 'END' = 'END'
  try {
    await persisted(context, queue, context.store.deleteQueue(queue.number))
    reason = 'DELD'
  } finally {
    context.queues.forget(queue)
    for (const { number } of queue.messages) context.messages.delete(number)
    // When the store failed its subscriber has to come back to the queue that is read next.
    queue.subscription?.recipient.end(queue.subscription, reason)
  }
  return OK
}

/**
 * SUB: this connection gets the queue's messages from now on: `spec/smp.md §5.2`. The subscription is held: it must
 * be released when the answer is on its way, because messages come after that.
 * @param withMessage the first message is to go into the same block as the answer
 */
export function subscribe(
  context: RouterContext,
  session: Recipient,
  queue: LiveQueue,
  withMessage: boolean,
): { answer: Answer; held?: Subscription } {
  const current = session.subscription(queue)
  if (current?.kind === 'get') return { answer: PROHIBITED }
  const held = current ?? session.subscribe(queue)
  held.hold()
  // What was sent and not acknowledged is sent again.
  held.delivered = undefined
  const [head] = queue.messages
  if (!head || !withMessage) return { answer: SOK, held }
  return { answer: context.messages.load(head.number).then(() => SOK), held }
}

/** GET: one message, without a subscription: `spec/smp.md §5.2`. */
export async function getMessage(
  context: RouterContext,
  session: Recipient,
  queue: LiveQueue,
): Promise<BrokerMessage | UnsealedMessage> {
  const current = session.subscription(queue)
  if (current?.kind === 'push') return PROHIBITED
  const subscription = current ?? session.beginGet(queue)
  subscription.delivered = undefined
  const message = await headMessage(context, queue)
  if (!message) return OK
  subscription.delivered = message
  return new UnsealedMessage(queue, message)
}

/** ACK: the message arrived. After SUB the answer is the next one: `spec/smp.md §5.2`. */
export async function acknowledge(
  context: RouterContext,
  session: Recipient,
  queue: LiveQueue,
  msgId: Uint8Array,
): Promise<BrokerMessage | UnsealedMessage> {
  const subscription = session.subscription(queue)
  const delivered = subscription?.delivered
  if (!subscription || !delivered) return NO_MSG
  // An empty id acknowledges nothing, but lets the message be delivered again.
  if (msgId.length > 0 && Buffer.compare(msgId, delivered.msgId) !== 0) return NO_MSG
  subscription.delivered = undefined
  subscription.hold()
  try {
    const deleted = msgId.length > 0 ? removeMessage(context, queue, delivered.number) : undefined
    if (subscription.kind === 'get') {
      await deleted
      return OK
    }
    // The answer must not arrive before it is sure that the deletion survives.
    const [next] = await Promise.all([headMessage(context, queue), deleted])
    if (!next || subscription.isEnded) return OK
    subscription.delivered = next
    return new UnsealedMessage(queue, next)
  } catch (error) {
    // So that it can be acknowledged again.
    subscription.delivered ??= delivered
    throw error
  } finally {
    subscription.release()
  }
}

/** QUE: the state of the queue, for debugging: `spec/smp.md §4`, INFO. */
export async function queueInfo(context: RouterContext, session: Recipient, queue: LiveQueue): Promise<BrokerMessage> {
  const subscription = session.subscription(queue)
  const head = await headMessage(context, queue)
  const info: QueueInfo = {
    qiSnd: queue.record.sndKey !== undefined,
    qiNtf: false,
    ...(subscription && {
      qiSub: {
        qSubThread: subscription.kind === 'get' ? 'prohibitSub' : 'noSub',
        ...(subscription.delivered && { qDelivered: base64(subscription.delivered.msgId) }),
      },
    }),
    qiSize: queue.messages.length,
    ...(head && {
      qiMsg: {
        msgId: base64(head.msgId),
        msgTs: new Date(head.timestamp * 1000).toISOString().replace('.000', ''),
        msgType: head.body ? 'message' : 'quota',
      },
    }),
  }
  return { type: 'INFO', info }
}

/** Deletes a message that was acknowledged or has expired. Settles when it cannot come back. */
export async function removeMessage(context: RouterContext, queue: LiveQueue, number: number): Promise<void> {
  if (!queue.removeMessage(number)) return
  context.messages.delete(number)
  await persisted(context, queue, context.store.deleteMessages([number]))
}

/** The oldest message of the queue; tries again when it is deleted while it is being read. */
async function headMessage(context: RouterContext, queue: LiveQueue): Promise<StoredMessage | undefined> {
  for (;;) {
    const [head] = queue.messages
    if (!head || queue.isDeleted) return undefined
    const message = await context.messages.get(head.number)
    if (message && queue.messages[0]?.number === head.number) return message
    if (!message && queue.messages[0]?.number === head.number) {
      queue.isStale = true
      return undefined
    }
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
