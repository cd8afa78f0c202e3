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

/** The protobuf bytes of a record, as mailboxes and the record store know it. */
export function encodeAgentRecord(record: AgentRecord): Uint8Array {
  return toBinary(AgentRecordSchema, recordToMessage(record))
}

/**
 * The record that these bytes hold. Unknown fields are skipped.
 * @throws DecodeError
 */
export function decodeAgentRecord(bytes: Uint8Array): AgentRecord {
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
