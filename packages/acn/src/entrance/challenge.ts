import { sha256 } from '@parley/core/crypto'
import { toHex } from '@parley/core/encoding'
import type { AgentRecord } from '../protocol/index.ts'
import { ledgerOf } from '../record/index.ts'

/** Whether agents have to show that they have their key now: none, those that can, or all. */
export type ChallengePolicy = 'off' | 'offered' | 'required'

/** What an agent's answer to a challenge binds together. */
export interface ChallengeContext {
  /** The peer's public key: lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  /** The point of the session certificate, 65 bytes: an answer cannot be passed on to another connection. */
  readonly point: Uint8Array
  /** 32 bytes, chosen by the node for this registration. */
  readonly challenge: Uint8Array
}

/** Signs with the agent's ledger key as the ledger's own programs do, giving the ledger's text form. */
export type LedgerSigner = (message: Uint8Array) => Promise<string> | string

/**
 * What an agent signs to show that it has its key now. A text that begins unlike any record's, so that neither signature
 * can be taken for the other.
 */
export function challengeMessage({ peerPublicKey, point, challenge }: ChallengeContext): Uint8Array {
  return Buffer.from(`parley-acn-register:1:${peerPublicKey}:${toHex(sha256(point))}:${toHex(challenge)}`, 'latin1')
}

/** Whether the answer was signed by the key of the record. Never throws. */
export function verifyChallenge(record: AgentRecord, context: ChallengeContext, answer: string): boolean {
  const ledger = ledgerOf(record.ledgerId)
  return ledger?.verify(record.publicKey, challengeMessage(context), answer) ?? false
}
