import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AcnNodeOptions } from '@parley/acn/node'
import { type AgentRecord, ENV, NodeSettingsError, parseHostPort, readNodeSettings } from '@parley/acn/protocol'
import { parse } from 'smol-toml'
import { readRecordText } from './acn-record-text.ts'

/** A key of the file, and the variable of the environment that says the same. */
const NODE_KEYS: Readonly<Record<string, string>> = {
  listen: ENV.listen,
  public: ENV.publicUri,
  delegate: ENV.delegate,
  mailbox: ENV.mailbox,
  monitoring: ENV.monitoring,
  registration_delay: ENV.registrationDelay,
}
/** What each variable is called in the file. */
const VARIABLE_KEYS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(NODE_KEYS).map(([key, variable]) => [variable, `node.${key}`])),
  [ENV.peerKey]: 'node.key_file',
  [ENV.entryPeers]: 'node.entry_peers',
  [ENV.recordAddress]: 'agent.record',
  [ENV.recordSignature]: 'agent.record',
}
const OTHER_NODE_KEYS = ['key_file', 'entry_peers', 'data', 'sender_check', 'challenge']
const AGENT_KEYS = ['port', 'record']

/**
 * Reads the configuration of a node for people.
 * @throws Error with the key at fault; NodeSettingsError, see {@link inTermsOfConfig}; the system's errors
 */
export async function readAcnConfig(file: string): Promise<AcnNodeOptions> {
  const { node, agent: agentValue, ...rest } = parse(await readFile(file, 'utf8')) as Record<string, unknown>
  const nodeTable = tableOf('node', node ?? {}, [...Object.keys(NODE_KEYS), ...OTHER_NODE_KEYS])
  const agentTable = agentValue === undefined ? undefined : tableOf('agent', agentValue, AGENT_KEYS)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new Error(`${unknown}: unknown key`)

  const path = (text: string) => resolve(dirname(file), text)
  const environment: Record<string, string> = {}
  for (const [key, variable] of Object.entries(NODE_KEYS)) {
    if (nodeTable[key] !== undefined) environment[variable] = String(nodeTable[key])
  }
  environment[ENV.peerKey] = (await readFile(path(textOf('node.key_file', nodeTable.key_file)), 'utf8')).trim()
  environment[ENV.entryPeers] = listOf('node.entry_peers', nodeTable.entry_peers).join(',')
  const agent = agentTable && (await readAgent(agentTable, path))
  const read = readNodeSettings({ ...environment, ...(agent && agentVariables(agent)) })
  // What the variables do not know: where the delegate service listens but for its port, and the dates of a record.
  const settings = {
    ...read,
    ...(read.delegate && { delegate: parseHostPort(String(nodeTable.delegate)) }),
    ...(agent && { record: agent.record }),
  }

  const { storagePaths } = await import('@parley/acn/node')
  const paths = storagePaths(settings)
  const data = nodeTable.data === undefined ? undefined : path(textOf('node.data', nodeTable.data))
  const senderCheck = choiceOf('node.sender_check', nodeTable.sender_check, ['refuse', 'log'])
  const challenge = choiceOf('node.challenge', nodeTable.challenge, ['offered', 'required', 'off'])
  return { settings, ...(data === undefined ? paths : { dataFolder: data }), senderCheck, challenge }
}

/** What is wrong, named by the key of the file instead of the variable that says the same. */
export function inTermsOfConfig(error: unknown): unknown {
  if (!(error instanceof NodeSettingsError)) return error
  const key = VARIABLE_KEYS[error.variable]
  return key === undefined ? error : new Error(error.message.replace(error.variable, key), { cause: error })
}

interface Agent {
  readonly record: AgentRecord
  readonly port: number
}

async function readAgent(agent: Readonly<Record<string, unknown>>, path: (text: string) => string): Promise<Agent> {
  const { port } = agent
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error('agent.port: a port is needed')
  }
  return { port, record: readRecordText(await readFile(path(textOf('agent.record', agent.record)), 'utf8')) }
}

function agentVariables({ record, port }: Agent): Record<string, string> {
  return {
    [ENV.agentAddress]: record.address,
    [ENV.toNode]: String(port),
    [ENV.toAgent]: String(port),
    [ENV.recordAddress]: record.address,
    [ENV.recordPublicKey]: record.publicKey,
    [ENV.recordPeerPublicKey]: record.peerPublicKey,
    [ENV.recordSignature]: record.signature,
    [ENV.recordServiceId]: record.serviceId,
    [ENV.recordLedgerId]: record.ledgerId,
  }
}

function tableOf(name: string, value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name}: a table is needed`)
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw new Error(`${name}.${unknown}: unknown key`)
  return value as Record<string, unknown>
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${name}: a text is needed`)
  return value
}

/** One of the words; the first when nothing is said. */
function choiceOf<T extends string>(name: string, value: unknown, words: readonly [T, ...T[]]): T {
  const choice = words.find((word) => word === (value ?? words[0]))
  if (choice === undefined) throw new Error(`${name}: one of ${words.join(', ')} is needed`)
  return choice
}

function listOf(name: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new Error(`${name}: a list is needed`)
  return value.map((item) => textOf(name, item))
}
