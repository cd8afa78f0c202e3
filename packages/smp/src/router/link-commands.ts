import type { AuthKey, BrokerMessage } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import { isContactQueue, secure } from './queue-changes.ts'
import { AUTH, type RouterContext } from './router-context.ts'

/** LKEY: secures the queue of a one-time link and opens the link: `spec/smp.md §5.1`. */
export async function secureByLink(context: RouterContext, queue: LiveQueue, key: AuthKey): Promise<BrokerMessage> {
  const [secured, data] = await Promise.all([secure(context, queue, key), linkData(context, queue)])
  return secured.type === 'OK' ? data : secured
}

/** LGET: opens the link of a contact address: `spec/smp.md §5.1`. */
export async function openLink(context: RouterContext, queue: LiveQueue): Promise<BrokerMessage> {
  return isContactQueue(queue.record) ? linkData(context, queue) : AUTH
}

async function linkData(context: RouterContext, { number, record }: LiveQueue): Promise<BrokerMessage> {
  const link = await context.store.getLinkData(number)
  return link ? { type: 'LNK', sndId: record.sndId, link } : AUTH
}
