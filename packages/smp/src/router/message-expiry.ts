import { nowSeconds, type RouterContext } from './router-context.ts'
import { StoreError } from './store.ts'

/** Messages looked at in one transaction, so that senders need not wait long for theirs. */
const STEP = 1000

/**
 * Removes the messages of all queues that are too old: `spec/smp.md §5.2`. A failing disk ends the run; the next one
 * starts over.
 * @returns how many it removed
 */
export async function expireMessages(context: RouterContext, signal: AbortSignal): Promise<number> {
  const { store, queues, messages, rules } = context
  if (rules.messageTtl === 0) return 0
  const before = nowSeconds(context) - rules.messageTtl
  let removed = 0
  try {
    for (let from: number | undefined = 1; from !== undefined && !signal.aborted; ) {
      const step = await store.expireMessages(before, from, STEP)
      for (const { queue, message } of step.expired) {
        messages.delete(message)
        queues.get(queue)?.removeMessage(message)
      }
      removed += step.expired.length
      from = step.next
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    context.log({ event: 'storeFailed', reason: error.message })
  }
  return removed
}
