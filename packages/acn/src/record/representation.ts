import { hash } from 'node:crypto'
import { AcnStatusError, type AgentRecord, type ErrorStatusCode, MAX_RECORD_FIELD, STATUS } from '../protocol/index.ts'
import { LEDGERS, type Ledger, ledgerOf } from './ledger.ts'
import { isValidAt } from './validity.ts'

const PEER_KEY = /^0[23][0-9a-f]{64}$/
const DEFAULT_CACHE_SIZE = 10_000

/** What a record must say besides being signed. */
export interface Expectation {
  /** Address the record must be for. */
  readonly expectedAddress: string
  /**
   * Public key, lower-case hexadecimal of 33 bytes, of the peer that must be the representative. Absent where any peer
   * may be, as in the answer to a look-up. The record must name a key in any case.
   */
  readonly representativePublicKey?: string
}

/** What {@link verifyRepresentation} works with. */
export interface VerifyOptions {
  /** Proofs that were found valid; without it the signature is checked every time. */
  readonly cache?: ProofCache
  /** Milliseconds since 1970 at which the record's dates must hold; the clock's by default. */
  readonly now?: number
}

/**
 * Checks that a record proves that an agent is represented by a peer, in the Go node's order: address (10), ledger (13),
 * peer key (11), address of the public key (10), signature (12); then the dates, where it has any (12).
 * `spec/acn.md §5`.
 * @throws AcnStatusError
 */
export function verifyRepresentation(
  record: AgentRecord,
  { expectedAddress, representativePublicKey }: Expectation,
  { cache, now = Date.now() }: VerifyOptions = {},
): void {
  if (record.address !== expectedAddress) refuse(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'record of another agent address')
  const ledger = ledgerOf(record.ledgerId)
  if (!ledger) refuse(STATUS.ERROR_UNSUPPORTED_LEDGER, `unsupported ledger, known are ${LEDGER_IDS}`)
  const { peerPublicKey } = record
  const isExpected = representativePublicKey === undefined || peerPublicKey === representativePublicKey
  // A peer of another kind of key is known by an empty text, which nothing may be signed for.
  if (!isExpected || !PEER_KEY.test(peerPublicKey))
    refuse(STATUS.ERROR_WRONG_PUBLIC_KEY, 'record names another peer public key')
  if (!cache?.has(record)) {
    checkProof(record, ledger)
    cache?.add(record)
  }
  if (!isValidAt(record, now)) refuse(STATUS.ERROR_INVALID_PROOF, 'record is not valid at this time')
}

const LEDGER_IDS = LEDGERS.map(({ ledgerId }) => ledgerId).join(', ')

/** Everything that the record's own text decides. */
function checkProof(record: AgentRecord, ledger: Ledger): void {
  const { address, publicKey, peerPublicKey, signature } = record
  if (publicKey.length > MAX_RECORD_FIELD || ledger.addressOf(publicKey) !== address) {
    refuse(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'agent address is not that of the public key')
  }
  const signed = representationMessage(peerPublicKey)
  if (signature.length > MAX_RECORD_FIELD || !ledger.verify(publicKey, signed, signature)) {
    refuse(STATUS.ERROR_INVALID_PROOF, 'signature is not valid')
  }
}

function refuse(code: ErrorStatusCode, text: string): never {
  throw new AcnStatusError(code, text)
}

/** What the agent signs: the peer's public key as it stands in the record, in ASCII. */
export function representationMessage(peerPublicKey: string): Uint8Array {
  return Buffer.from(peerPublicKey, 'utf8')
}

/** What a record is made from. */
export interface RecordOptions {
  /** The agent's private key, 32 bytes. */
  readonly privateKey: Uint8Array
  /** Representing peer: lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  /** `acn` by default. */
  readonly serviceId?: string
  /** `YYYY-MM-DD`. */
  readonly notBefore?: string
  /** `YYYY-MM-DD`. */
  readonly notAfter?: string
}

/**
 * Makes the record by which an agent of a ledger takes a peer as its representative. The same input gives the same
 * bytes, those of the ledger's own programs.
 * @throws RangeError when the private key is none
 */
export function createRecord(
  ledger: Ledger,
  { privateKey, peerPublicKey, serviceId = 'acn', notBefore = '', notAfter = '' }: RecordOptions,
): AgentRecord {
  const publicKey = ledger.publicKeyOf(privateKey)
  const address = ledger.addressOf(publicKey)
  if (address === undefined) throw new RangeError(`no address of ${ledger.ledgerId}`)
  const signature = ledger.sign(privateKey, representationMessage(peerPublicKey))
  return { serviceId, ledgerId: ledger.ledgerId, address, publicKey, peerPublicKey, signature, notBefore, notAfter }
}

/**
 * Remembers records whose proof was found valid, up to a number; the one not used for longest goes first. Invalid ones
 * are not remembered, so that nobody can push the valid ones out for free.
 */
export class ProofCache {
  readonly #limit: number
  /** In order of use, the oldest first. */
  readonly #known = new Set<string>()

  /** @param limit records at most, about 150 bytes each */
  constructor(limit: number = DEFAULT_CACHE_SIZE) {
    this.#limit = limit
  }

  /** Number of records remembered. */
  get size(): number {
    return this.#known.size
  }

  /** True when exactly this proof was found valid. */
  has(record: AgentRecord): boolean {
    const key = proofKey(record)
    if (!this.#known.delete(key)) return false
    this.#known.add(key)
    return true
  }

  /** Remembers a proof that is valid. */
  add(record: AgentRecord): void {
    this.#known.add(proofKey(record))
    for (const oldest of this.#known) {
      if (this.#known.size <= this.#limit) break
      this.#known.delete(oldest)
    }
  }
}

/** The same record comes with each envelope of an agent. */
const KEYS = new WeakMap<AgentRecord, string>()

/** Everything that decides about a proof; not the dates, which are looked at each time. */
function proofKey(record: AgentRecord): string {
  const known = KEYS.get(record)
  if (known !== undefined) return known
  const { ledgerId, address, publicKey, peerPublicKey, signature } = record
  const key = hash('sha256', JSON.stringify([ledgerId, address, publicKey, peerPublicKey, signature]), 'base64')
  KEYS.set(record, key)
  return key
}
