import { AcnStatusError, type AgentRecord, STATUS } from '../protocol/index.ts'
import { createRecord, type Ledger, representationMessage, verifyRepresentation } from '../record/index.ts'
import type { LedgerSigner } from './challenge.ts'

/** Who an agent is towards the peers that represent it. */
export interface AgentIdentity {
  /** The agent's ledger address. */
  readonly address: string
  /**
   * The record by which the agent takes a peer as its representative.
   * @param peerPublicKey lower-case hexadecimal of 33 bytes
   * @throws AcnStatusError ERROR_WRONG_PUBLIC_KEY when there is none for this peer
   */
  recordFor(peerPublicKey: string): Promise<AgentRecord> | AgentRecord
  /** Signs challenges; absent where the key is not at hand. */
  readonly sign?: LedgerSigner
}

/**
 * An agent whose key is at hand.
 * @param privateKey 32 bytes; copied
 * @throws RangeError when it is none
 */
export function identityFromKey(ledger: Ledger, privateKey: Uint8Array): AgentIdentity {
  const key = Uint8Array.from(privateKey)
  const address = ledger.addressOf(ledger.publicKeyOf(key))
  if (address === undefined) throw new RangeError(`no address of ${ledger.ledgerId}`)
  return {
    address,
    recordFor: (peerPublicKey) => createRecord(ledger, { privateKey: key, peerPublicKey }),
    sign: (message) => ledger.sign(key, message),
  }
}

/** What an agent is known by on its ledger. */
export interface LedgerAccount {
  readonly ledger: Ledger
  /** In the ledger's own text form. */
  readonly publicKey: string
}

/**
 * An agent whose key is elsewhere, with something that signs for it. Each peer's record is signed once.
 * @throws RangeError when the public key is none of the ledger's
 */
export function identityFromSigner({ ledger, publicKey }: LedgerAccount, sign: LedgerSigner): AgentIdentity {
  const address = ledger.addressOf(publicKey)
  if (address === undefined) throw new RangeError(`not a public key of ${ledger.ledgerId}`)
  const records = new Map<string, Promise<AgentRecord>>()
  const make = async (peerPublicKey: string): Promise<AgentRecord> => {
    const signature = await sign(representationMessage(peerPublicKey))
    const { ledgerId } = ledger
    const dates = { notBefore: '', notAfter: '' }
    const record = { serviceId: 'acn', ledgerId, address, publicKey, peerPublicKey, signature, ...dates }
    verifyRepresentation(record, { expectedAddress: address, representativePublicKey: peerPublicKey })
    return record
  }
  return {
    address,
    sign,
    recordFor(peerPublicKey) {
      const record = records.get(peerPublicKey) ?? make(peerPublicKey)
      records.set(peerPublicKey, record)
      record.catch(() => records.delete(peerPublicKey))
      return record
    },
  }
}

/**
 * An agent of which there are only records, one for each peer.
 * @throws RangeError when there are none, or they are of several agents
 */
export function identityFromRecords(records: readonly AgentRecord[]): AgentIdentity {
  const [first] = records
  if (!first || records.some(({ address }) => address !== first.address)) {
    throw new RangeError('records must be of one agent')
  }
  const byPeer = new Map(records.map((record) => [record.peerPublicKey, record]))
  return {
    address: first.address,
    recordFor(peerPublicKey) {
      const record = byPeer.get(peerPublicKey)
      if (!record) throw new AcnStatusError(STATUS.ERROR_WRONG_PUBLIC_KEY, 'no record for this peer')
      return record
    },
  }
}
