import { readFile } from 'node:fs/promises'
import { type Attachment, MAX_ATTACHMENT } from '../card/index.ts'
import { SettingsError } from './toml-values.ts'

const KEY = 'identity.agent_card'

/**
 * Reads the JSON that goes with the contact cards of a node's identities, such as an A2A agent card (what is served at
 * `/.well-known/agent-card.json`), as it is: an object, at most 8,192 bytes.
 * @throws SettingsError, without contents
 */
export async function readAgentCard(file: string): Promise<Attachment> {
  const bytes = await readBytes(file)
  if (bytes.length > MAX_ATTACHMENT) {
    throw new SettingsError(KEY, `the file has ${bytes.length} bytes; at most ${MAX_ATTACHMENT} go with a card`)
  }
  if (!isJsonObject(bytes)) throw new SettingsError(KEY, 'the file holds no JSON object')
  return { type: 'application/json', bytes }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    const { code = 'unreadable' } = cause as NodeJS.ErrnoException
    throw new SettingsError(KEY, `the file cannot be read: ${code}`, { cause })
  }
}

function isJsonObject(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
