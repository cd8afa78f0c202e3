import { join } from 'node:path'

/** Databases of a gateway, besides its agent's. */
export interface GatewayFiles {
  /** Contact cards: those that are served, and the newest seen of each address. */
  readonly cards: string
  /** Contact addresses, channel keys and cards of the node's agents. */
  readonly contacts: string
}

/** Where a gateway keeps its databases in a folder. */
export function gatewayFiles(folder: string): GatewayFiles {
  return { cards: join(folder, 'cards.db'), contacts: join(folder, 'contacts.db') }
}
