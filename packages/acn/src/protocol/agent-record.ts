import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { decodeProtobuf, READ_OPTIONS } from './decode-protobuf.ts'
import { type AgentRecord as AgentRecordMessage, AgentRecordSchema } from './gen/acn_pb.ts'

/**
 * Who an agent is, and the signature by which its ledger key names the peer that represents it: `spec/acn.md §4, §5`.
 * Every field may be empty in what comes from outside.
 */
export interface AgentRecord {
  /** Not looked at by peers; `acn` by custom. */
  readonly serviceId: string
  /** `fetchai`, `cosmos` or `ethereum`. */
  readonly ledgerId: string
  /** The agent's ledger address, by which it is found. */
  readonly address: string
  /** The agent's public key in its ledger's own text form. */
  readonly publicKey: string
  /** The representing peer's public key: hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  /** Proof of representation in the ledger's own text form. */
  readonly signature: string
  /** First day of validity, `YYYY-MM-DD` (UTC), or empty. */
  readonly notBefore: string
  /** End of validity, the first moment of this day, `YYYY-MM-DD` (UTC), or empty. */
  readonly notAfter: string
}

/** Each envelope between peers carries its sender's record: the same bytes, and the same record, again and again. */
const ENCODED = new WeakMap<AgentRecord, Uint8Array>()
const DECODED = new Map<string, AgentRecord>()
const MAX_DECODED = 1_000
/** Longer records than those that agents have are not remembered. */
const MAX_REMEMBERED = 1_024

/** The protobuf bytes of a record, as mailboxes and the record store know it. They are not to be changed. */
export function encodeAgentRecord(record: AgentRecord): Uint8Array {
  const known = ENCODED.get(record)
  if (known) return known
  const bytes = toBinary(AgentRecordSchema, recordToMessage(record))
  ENCODED.set(record, bytes)
  return bytes
}

/**
 * The record that these bytes hold; of the same bytes the same record, as long as it is remembered. Unknown fields are
 * skipped.
 * @throws DecodeError
 */
export function decodeAgentRecord(bytes: Uint8Array): AgentRecord {
  if (bytes.length > MAX_REMEMBERED) return readRecord(bytes)
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = DECODED.get(key)
  if (known) return known
  const record = readRecord(bytes)
  DECODED.set(key, record)
  const [oldest] = DECODED.keys()
  if (DECODED.size > MAX_DECODED && oldest !== undefined) DECODED.delete(oldest)
  return record
}

function readRecord(bytes: Uint8Array): AgentRecord {
  return decodeProtobuf('record', () => recordFromMessage(fromBinary(AgentRecordSchema, bytes, READ_OPTIONS)))
}

/** The generated message of a record. */
export function recordToMessage(record: AgentRecord): AgentRecordMessage {
  return create(AgentRecordSchema, record)
}

/** The record of a generated message. */
export function recordFromMessage(message: AgentRecordMessage): AgentRecord {
  const { serviceId, ledgerId, address, publicKey, peerPublicKey, signature, notBefore, notAfter } = message
  return { serviceId, ledgerId, address, publicKey, peerPublicKey, signature, notBefore, notAfter }
}
