import { maxMessageLength } from '../protocol/index.ts'
import type { BrokerMessage, Command } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import { clearLink, isSecuredMessagingQueue } from './queue-changes.ts'
import { randomId } from './random-ids.ts'
import { removeMessage } from './recipient-commands.ts'
import { AUTH, LARGE_MSG, nowSeconds, OK, persisted, QUOTA, type RouterContext } from './router-context.ts'
import type { StoredMessage } from './store.ts'

/** A body that fills less of its block than this share is copied, so that it does not keep the block in memory. */
const COPY_BELOW = 8192

/** SEND: `spec/smp.md §5.1`. The answer comes when the message is on disk. */
export async function sendMessage(
  context: RouterContext,
  queue: LiveQueue,
  { notification, body }: Command & { readonly type: 'SEND' },
  version: number,
): Promise<BrokerMessage> {
  if (body.length > maxMessageLength(version)) return LARGE_MSG
  const { status, linkId } = queue.record
  if (status.type === 'off') return AUTH
  if (status.type === 'blocked') return { type: 'ERR', error: { ...status, type: 'BLOCKED' } }
  const writes: Promise<unknown>[] = []
  if (linkId && isSecuredMessagingQueue(queue.record)) writes.push(clearLink(context, queue))
  if (context.rules.expireOnSend) writes.push(...expire(context, queue))
  const accepted = accept(context, queue, notification, body)
  if (accepted) writes.push(accepted.written)
  await Promise.all(writes)
  return accepted?.isMessage ? OK : QUOTA
}

/** Takes the message, or the marker that stands for it when the queue is full; neither once there is a marker. */
function accept(
  context: RouterContext,
  queue: LiveQueue,
  notification: boolean,
  body: Uint8Array,
): { isMessage: boolean; written: Promise<void> } | undefined {
  if (queue.isFull) return undefined
  const envelope = {
    number: context.takeMessageNumber(),
    msgId: randomId(),
    timestamp: nowSeconds(context),
  }
  const isMessage = queue.messages.length < context.rules.queueQuota
  if (!isMessage) {
    queue.isFull = true
    return { isMessage, written: store(context, queue, { ...envelope, notification: false }) }
  }
  const kept = body.length < COPY_BELOW ? Uint8Array.from(body) : body
  return { isMessage, written: store(context, queue, { ...envelope, notification, body: kept }) }
}

/**
 * Stores a message. Its recipient gets it meanwhile: should it not come to disk its sender is not told OK and sends it
 * again, which agents recognise.
 */
async function store(context: RouterContext, queue: LiveQueue, message: StoredMessage): Promise<void> {
  const { number, timestamp, body } = message
  const bytes = body?.length ?? 0
  queue.messages.push({ number, timestamp, quota: body === undefined })
  context.messages.add(message)
  // First, because what is asked of the store goes to its thread before anything that is scheduled later.
  queue.subscription?.wake()
  const written = persisted(context, queue, context.store.addMessage(queue.number, message))
  context.writeBudget.take(bytes)
  try {
    await written
  } catch (error) {
    context.messages.delete(number)
    throw error
  } finally {
    context.writeBudget.giveBack(bytes)
  }
}

/** Removes what is too old from the front of the queue, up to a quota marker. */
function expire(context: RouterContext, queue: LiveQueue): Promise<void>[] {
  const { messageTtl } = context.rules
  if (messageTtl === 0) return []
  const before = nowSeconds(context) - messageTtl
  const removed: Promise<void>[] = []
  for (let [head] = queue.messages; head && !head.quota && head.timestamp < before; [head] = queue.messages) {
    removed.push(removeMessage(context, queue, head.number))
  }
  return removed
}
