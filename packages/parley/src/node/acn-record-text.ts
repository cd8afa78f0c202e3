import { type AgentRecord, decodeAgentRecord } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'

const FIELDS = [
  'serviceId',
  'ledgerId',
  'address',
  'publicKey',
  'peerPublicKey',
  'signature',
  'notBefore',
  'notAfter',
] as const

/**
 * Reads a record from JSON, as `parley acn record make` prints it, or from its bytes as hexadecimal.
 * @throws DecodeError
 */
export function readRecordText(text: string): AgentRecord {
  const trimmed = text.trim()
  if (/^([0-9a-fA-F]{2})+$/.test(trimmed)) return decodeAgentRecord(Buffer.from(trimmed, 'hex'))
  let value: unknown
  try {
    value = JSON.parse(trimmed)
  } catch {
    throw new DecodeError('record is neither JSON nor hexadecimal', 0)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DecodeError('record is no JSON object', 0)
  const fields = value as Record<string, unknown>
  const entries = FIELDS.map((name) => {
    const field = fields[name] ?? ''
    if (typeof field !== 'string') throw new DecodeError(`${name} of the record is no text`, 0)
    return [name, field]
  })
  return Object.fromEntries(entries) as unknown as AgentRecord
}
