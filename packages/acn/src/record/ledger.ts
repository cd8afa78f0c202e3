import { cosmos } from './cosmos.ts'
import { ethereum } from './ethereum.ts'
import { fetchai } from './fetchai.ts'
import type { Ledger } from './ledger-type.ts'

export type { Ledger }

/** The ledgers of the network, in the order in which refusals name them. */
export const LEDGERS: readonly Ledger[] = [fetchai, cosmos, ethereum]

const BY_ID: ReadonlyMap<string, Ledger> = new Map(LEDGERS.map((ledger) => [ledger.ledgerId, ledger]))

/** An address of any ledger as the network writes it, from one that a person wrote; undefined when the text is none. */
export function readLedgerAddress(text: string): string | undefined {
  for (const ledger of LEDGERS) {
    const address = ledger.readAddress(text)
    if (address !== undefined) return address
  }
  return undefined
}

/** The ledger of this id, undefined when the network does not know it. */
export function ledgerOf(ledgerId: string): Ledger | undefined {
  return BY_ID.get(ledgerId)
}
