import type { Effects } from './effects.ts'
import type { AgentEventOf } from './events.ts'
import type { Db } from './store/database.ts'
import { StoreError } from './store/store-error.ts'

/** A message that is on its way into the store, for the application to take. The body is valid during the call only. */
export type IncomingMessage = Omit<AgentEventOf<'MSG'>, 'event' | 'msgId'>

/**
 * Takes messages in the transaction that stores them, so that what an application keeps of a message is stored with the
 * ratchet's step, or neither is. The message is done with when this returns a function: the router is told, and the
 * function is called when everything is on disk. When it returns undefined the message follows as a MSG event.
 * Synchronous; what it throws undoes the transaction, and the message comes again with the next subscription.
 */
export type MessageReceiver = (db: Db, message: IncomingMessage) => (() => void) | undefined

/** The one receiver of an agent. */
export interface InstalledReceiver {
  readonly receive: MessageReceiver
  /** Called when nothing is stored of a transaction in which it was offered a message. */
  onUndone(): void
}

/**
 * Offers a message to the application in the transaction that stores it.
 * @returns whether it has taken it
 * @throws StoreError APPLICATION when it fails
 */
export function receiveInApplication(
  { receiver }: { readonly receiver: InstalledReceiver | undefined },
  db: Db,
  message: IncomingMessage,
  effects: Effects,
): boolean {
  if (!receiver) return false
  effects.whenUndone.push(() => receiver.onUndone())
  try {
    const stored = receiver.receive(db, message)
    if (!stored) return false
    effects.ofApplication.push(stored)
    return true
  } catch (cause) {
    throw new StoreError('APPLICATION', 'the application could not take a message', { cause })
  }
}
