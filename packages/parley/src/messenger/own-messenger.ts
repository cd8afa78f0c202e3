import { Parley, type ParleyOptions } from '../parley.ts'
import type { Messenger } from './messenger.ts'

/**
 * A messenger that is a node of its own while it is open.
 * @throws as Parley.open
 */
export async function openOwnMessenger(options: ParleyOptions): Promise<Messenger> {
  const parley = await Parley.open(options)
  return {
    address: parley.address,
    isServed: false,
    async find(address, signal) {
      const found = await parley.gateway.find(address, signal)
      return found && { card: found.card.kind }
    },
    send: (to, message, signal) => parley.send(to, message, { signal }),
    trace: (id) => parley.trace(id),
    messages: () => parley.messages(),
    [Symbol.asyncDispose]: () => parley.close(),
  }
}
