import { PublicKey } from '@parley/core/crypto'
import type { AuthKey, BrokerMessage, EntityId, QueueLinkData } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import { AUTH, OK, persisted, type RouterContext } from './router-context.ts'
import type { QueueRecord, StoredLink } from './store.ts'

const MILLISECONDS_A_DAY = 86_400_000

/** A link of it may be opened without a key: contact addresses, also those made before queues had modes. */
export function isContactQueue({ mode, sndKey }: QueueRecord): boolean {
  return mode === undefined ? sndKey === undefined : mode === 'contact'
}

/** Its sender is known, so that a link to it has served its purpose. */
export function isSecuredMessagingQueue({ mode, sndKey }: QueueRecord): boolean {
  return mode !== 'contact' && sndKey !== undefined
}

/** KEY, SKEY and LKEY: the key of the one sender; the same again is fine: `spec/smp.md §5.1`. */
export async function secure(context: RouterContext, queue: LiveQueue, key: AuthKey): Promise<BrokerMessage> {
  if (queue.record.sndKey && !queue.record.sndKey.equals(key)) return AUTH
  // Also when it has the key already: the write that gave it may still be under way.
  const sndKey = queue.record.sndKey ?? copyKey(key)
  queue.record = { ...queue.record, sndKey }
  await persisted(context, queue, context.store.updateQueue(queue.number, { sndKey }))
  return OK
}

/** Takes the link and its data away from the queue, if it has one. */
export async function clearLink(context: RouterContext, queue: LiveQueue): Promise<void> {
  const { linkId, ...unlinked } = queue.record
  if (linkId) {
    queue.record = unlinked
    context.queues.removeLink(linkId)
  }
  await persisted(context, queue, context.store.deleteLink(queue.number))
}

/** Notes the day of the first use on each UTC day: `spec/smp.md §5.1`. Nobody waits for that. */
export function touch(context: RouterContext, queue: LiveQueue): void {
  const updatedDay = Math.floor(context.now() / MILLISECONDS_A_DAY)
  if (queue.record.updatedDay === updatedDay) return
  queue.record = { ...queue.record, updatedDay }
  persisted(context, queue, context.store.updateQueue(queue.number, { updatedDay })).catch(() => {})
}

/** Received byte strings are views of 16 KiB blocks: what is kept has to be copied. */
export function copyKey(key: AuthKey): AuthKey {
  return new PublicKey(key.algorithm, Uint8Array.from(key.raw))
}

export function copyLink(linkId: EntityId, { fixed, user }: QueueLinkData): StoredLink {
  return { linkId: Uint8Array.from(linkId), data: { fixed, user } }
}
