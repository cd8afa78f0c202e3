import type { AgentEvent } from '@parley/agent'
import { type Json, type JsonFields, toJson } from './json-values.ts'

/** The fields of an event that have a form of their own in JSON lines; all others are written as they are. */
const FIELDS: Partial<Record<string, (value: never) => JsonFields>> = {
  // What applications say of themselves is text by agreement; other bytes show as replacement characters.
  info: (info: Uint8Array) => ({ info: new TextDecoder().decode(info) }),
  body: (body: Uint8Array) => ({ body: Buffer.from(body).toString('base64'), ...asText(body) }),
  integrity: (integrity: { type: string }) => ({ integrity: integrity.type === 'ok' ? 'ok' : toJson(integrity) }),
}

/** One event as a JSON object: `docs/jsonl.md`, events. */
export function eventLine(event: AgentEvent): JsonFields {
  const line: Record<string, Json> = {}
  for (const [name, value] of Object.entries(event)) {
    if (value === undefined) continue
    const form = FIELDS[name]
    Object.assign(line, form ? form(value as never) : { [name]: toJson(value) })
  }
  return line
}

/** The `text` field of a body that is UTF-8. */
function asText(body: Uint8Array): JsonFields {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) }
  } catch {
    return {}
  }
}
