import assert from 'node:assert/strict'
import { type AgentIdentity, identityFromKey } from '@parley/acn/entrance'
import { type Envelope, encodeEnvelope } from '@parley/acn/protocol'
import { createRecord, ledgerOf, PeerKey } from '@parley/acn/record'

/** The peer of the nodes under test. */
export const peerKey: PeerKey = new PeerKey(Buffer.alloc(32, 1))
export const otherPeerKey: PeerKey = new PeerKey(Buffer.alloc(32, 2))

/** An agent with a key of its own. */
export function agent(number: number, ledgerId = 'fetchai') {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger)
  const privateKey = Buffer.alloc(32, number)
  const identity: AgentIdentity = identityFromKey(ledger, privateKey)
  const record = createRecord(ledger, { privateKey, peerPublicKey: peerKey.publicKeyHex })
  return { identity, record, address: record.address, ledger, privateKey }
}

export function envelopeOf(sender: string, to: string, message: string | Uint8Array = 'hello'): Envelope {
  return { to, sender, protocolId: 'fetchai/default:1.0.0', message: Buffer.from(message as string), uri: '' }
}

export function envelopeBytes(sender: string, to: string, message?: string | Uint8Array): Uint8Array {
  return encodeEnvelope(envelopeOf(sender, to, message))
}

/** Waits until something has come about that nobody tells of. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(setImmediate)
}
