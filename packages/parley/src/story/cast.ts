import { randomBytes } from 'node:crypto'
import { ledgerOf } from '@parley/acn/record'
import type { ParleyIdentity } from '../parley.ts'
import type { Recognisable } from './needles.ts'

/** An agent of the story before it is anywhere: its key, and the address by which it is known. */
export interface Character extends Recognisable {
  readonly identity: ParleyIdentity
}

/** Somebody new on a ledger. */
export function character(name: string, ledgerId: string): Character {
  const privateKey = randomBytes(32)
  const ledger = ledgerOf(ledgerId)
  const publicKey = ledger?.publicKeyOf(privateKey) ?? ''
  return { name, identity: { ledger: ledgerId, privateKey }, publicKey, address: ledger?.addressOf(publicKey) ?? '' }
}
