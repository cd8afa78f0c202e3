import { readFile } from 'node:fs/promises'
import type { AcnNodeOptions } from '@parley/acn/node'
import {
  type AgentRecord,
  ENV,
  type NodeSettings,
  NodeSettingsError,
  parseHostPort,
  readNodeSettings,
} from '@parley/acn/protocol'
import { readRecordText } from './acn-record-text.ts'
import { choiceOf, listOf, SettingsError, type TomlTable, tableOf, textOf } from './toml-values.ts'

/** A key of the table, and the variable of the environment that says the same. */
const NODE_KEYS: Readonly<Record<string, string>> = {
  listen: ENV.listen,
  public: ENV.publicUri,
  delegate: ENV.delegate,
  mailbox: ENV.mailbox,
  monitoring: ENV.monitoring,
  registration_delay: ENV.registrationDelay,
}
const AGENT_KEYS = ['port', 'record']

/** Keys of the table of a node of the Agent Communication Network. */
export const ACN_KEYS: readonly string[] = [
  ...Object.keys(NODE_KEYS),
  ...['key_file', 'entry_peers', 'data', 'sender_check', 'challenge'],
]

/** A node as a configuration describes it. */
export type AcnSettings = Pick<AcnNodeOptions, 'settings' | 'senderCheck' | 'challenge'> & {
  /** Folder of the store, when one is named. */
  readonly data?: string
}

/** What the tables of a node are read with. */
export interface AcnTables {
  /** Name of the node's table: `node` where the file is of a node alone, else `acn`. */
  readonly name: string
  readonly node: TomlTable
  /** The table `agent`, of the node's own agent; undefined without one. */
  readonly agent: unknown
  /** Makes a path of the file absolute. */
  readonly path: (text: string) => string
}

/**
 * Reads the tables of a node, and the files that they name.
 * @throws SettingsError; DecodeError for the record; the system's errors for files
 */
export async function readAcnTables({ name, node, agent: agentTable, path }: AcnTables): Promise<AcnSettings> {
  const environment: Record<string, string> = {}
  for (const [key, variable] of Object.entries(NODE_KEYS)) {
    if (node[key] !== undefined) environment[variable] = String(node[key])
  }
  environment[ENV.peerKey] = (await readFile(path(textOf(`${name}.key_file`, node.key_file)), 'utf8')).trim()
  environment[ENV.entryPeers] = listOf(`${name}.entry_peers`, node.entry_peers).join(',')
  const agent = agentTable === undefined ? undefined : await readAgent(tableOf('agent', agentTable, AGENT_KEYS), path)
  const read = readSettings(name, { ...environment, ...(agent && agentVariables(agent)) })
  // What the variables do not know: where the delegate service listens but for its port, and the dates of a record.
  const settings = {
    ...read,
    ...(read.delegate && { delegate: parseHostPort(String(node.delegate)) }),
    ...(agent && { record: agent.record }),
  }
  return {
    settings,
    ...(node.data !== undefined && { data: path(textOf(`${name}.data`, node.data)) }),
    senderCheck: choiceOf(`${name}.sender_check`, node.sender_check, ['refuse', 'log']),
    challenge: choiceOf(`${name}.challenge`, node.challenge, ['offered', 'required', 'off']),
  }
}

/** What is wrong, named by the key of the file instead of the variable that says the same. */
export function inTermsOfConfig(error: unknown, name: string): unknown {
  if (!(error instanceof NodeSettingsError)) return error
  const keys: Readonly<Record<string, string>> = {
    ...Object.fromEntries(Object.entries(NODE_KEYS).map(([key, variable]) => [variable, `${name}.${key}`])),
    [ENV.peerKey]: `${name}.key_file`,
    [ENV.entryPeers]: `${name}.entry_peers`,
    [ENV.recordAddress]: 'agent.record',
    [ENV.recordSignature]: 'agent.record',
  }
  const key = keys[error.variable]
  if (key === undefined) return error
  return new SettingsError(key, error.message.replace(`${error.variable}: `, ''), { cause: error })
}

function readSettings(name: string, environment: Readonly<Record<string, string>>): NodeSettings {
  try {
    return readNodeSettings(environment)
  } catch (error) {
    throw inTermsOfConfig(error, name)
  }
}

interface Agent {
  readonly record: AgentRecord
  readonly port: number
}

async function readAgent(agent: TomlTable, path: (text: string) => string): Promise<Agent> {
  const { port } = agent
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new SettingsError('agent.port', 'a port is needed')
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
