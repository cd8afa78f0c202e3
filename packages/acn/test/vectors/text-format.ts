import type { AcnMessage, AgentRecord } from '@parley/acn/protocol'
import { STATUS, statusName } from '@parley/acn/protocol'

/** Names of a record's fields in the order of their numbers. */
const RECORD_FIELDS = [
  ['service_id', 'serviceId'],
  ['ledger_id', 'ledgerId'],
  ['address', 'address'],
  ['public_key', 'publicKey'],
  ['peer_public_key', 'peerPublicKey'],
  ['signature', 'signature'],
  ['not_before', 'notBefore'],
  ['not_after', 'notAfter'],
] as const

/** A message as protobuf's text format shows it, the form in which the files describe messages. */
export function textFormat(message: AcnMessage): string {
  switch (message.type) {
    case 'aeaEnvelope':
      return block('aea_envelope', [...bytesField('envelope', message.envelope), ...recordLines(message.record)])
    case 'lookupRequest':
      return block('lookup_request', textField('agent_address', message.agentAddress))
    case 'lookupResponse':
      return block('lookup_response', recordLines(message.record))
    case 'register':
      return block('register', recordLines(message.record))
    case 'status':
      return block('status', message.body ? lines('body', statusLines(message.body)) : [])
    case 'empty':
      return ''
  }
}

function block(name: string, content: readonly string[]): string {
  return `${lines(name, content).join('\n')}\n`
}

function lines(name: string, content: readonly string[]): string[] {
  return [`${name} {`, ...content.map((line) => `  ${line}`), '}']
}

function statusLines({ code, msgs }: { readonly code: number; readonly msgs: readonly string[] }): string[] {
  const codeLine = code === STATUS.SUCCESS ? [] : [`code: ${statusName(code) ?? code}`]
  return [...codeLine, ...msgs.map((msg) => `msgs: ${quote(Buffer.from(msg), true)}`)]
}

function recordLines(record: AgentRecord | undefined): string[] {
  return record
    ? lines(
        'record',
        RECORD_FIELDS.flatMap(([name, key]) => textField(name, record[key])),
      )
    : []
}

function textField(name: string, value: string): string[] {
  return value === '' ? [] : [`${name}: ${quote(Buffer.from(value), true)}`]
}

function bytesField(name: string, value: Uint8Array): string[] {
  return value.length === 0 ? [] : [`${name}: ${quote(value, false)}`]
}

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  13: '\\r',
  34: '\\"',
  39: "\\'",
  92: '\\\\',
}

/** Bytes as a quoted text; in texts, other than in bytes, what is not ASCII stays as it is. */
function quote(bytes: Uint8Array, isText: boolean): string {
  let latin1 = ''
  for (const byte of bytes) {
    const shown = (byte >= 0x20 && byte < 0x7f) || (isText && byte >= 0x80)
    latin1 += ESCAPES[byte] ?? (shown ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)
  }
  return `"${Buffer.from(latin1, 'latin1').toString(isText ? 'utf8' : 'latin1')}"`
}
