import { DecodeError } from '@parley/core/encoding'
import type { AgentRecord } from './agent-record.ts'
import { type HostPort, type PeerAddress, parseHostPort, parsePeerAddress } from './multiaddr.ts'

/** The environment's names, as `libp2p_node` knows them: `spec/acn.md §2`. */
export const ENV = {
  peerKey: 'AEA_P2P_ID',
  listen: 'AEA_P2P_URI',
  publicUri: 'AEA_P2P_URI_PUBLIC',
  delegate: 'AEA_P2P_DELEGATE_URI',
  monitoring: 'AEA_P2P_URI_MONITORING',
  mailbox: 'AEA_P2P_MAILBOX_URI',
  entryPeers: 'AEA_P2P_ENTRY_URIS',
  agentAddress: 'AEA_AGENT_ADDR',
  toNode: 'AEA_TO_NODE',
  toAgent: 'NODE_TO_AEA',
  recordAddress: 'AEA_P2P_POR_ADDRESS',
  recordPublicKey: 'AEA_P2P_POR_PUBKEY',
  recordPeerPublicKey: 'AEA_P2P_POR_PEER_PUBKEY',
  recordSignature: 'AEA_P2P_POR_SIGNATURE',
  recordServiceId: 'AEA_P2P_POR_SERVICE_ID',
  recordLedgerId: 'AEA_P2P_POR_LEDGER_ID',
  registrationDelay: 'AEA_P2P_CFG_REGISTRATION_DELAY',
  storagePath: 'AEA_P2P_CFG_STORAGE_PATH',
} as const

/** The agent that started the node and waits for it on a port of this machine. */
export interface PipeSettings {
  readonly agentAddress: string
  /** Port on 127.0.0.1 that the node connects to. */
  readonly port: number
}

/** What a node is told by its environment. */
export interface NodeSettings {
  /** The peer's secp256k1 private key, 32 bytes. */
  readonly peerKey: Uint8Array
  readonly listen: HostPort
  /** What is announced. Without it the node is a relay client: no services, reached through its entry peers only. */
  readonly publicUri?: HostPort
  readonly delegate?: HostPort
  readonly monitoring?: HostPort
  readonly mailbox?: HostPort
  /** In the given order; each names its peer. */
  readonly entryPeers: readonly (PeerAddress & { readonly peerId: string })[]
  /** Absent when the node stands alone. */
  readonly pipe?: PipeSettings
  /** The agent's record, when there is one. */
  readonly record?: AgentRecord
  /** Seconds to wait before a registration; the fraction counts. */
  readonly registrationDelay: number
  /** Where the record store is asked to be; absent for the default. */
  readonly storagePath?: string
}

/** The environment does not describe a node. Never repeats values: one of them is a private key. */
export class NodeSettingsError extends Error {
  /** The variable at fault. */
  readonly variable: string

  constructor(variable: string, reason: string, options?: ErrorOptions) {
    super(`${variable}: ${reason}`, options)
    this.name = 'NodeSettingsError'
    this.variable = variable
  }
}

/**
 * Reads the environment of a node (the process's with the env file's values over it). The delegate service listens on the
 * host of `AEA_P2P_URI`, as the Go node's does.
 * @throws NodeSettingsError
 */
export function readNodeSettings(environment: Readonly<Record<string, string | undefined>>): NodeSettings {
  const value = (name: string) => environment[name]?.trim() ?? ''
  const publicUri = optionalHostPort(ENV.publicUri, value(ENV.publicUri))
  const listen = readHostPort(ENV.listen, value(ENV.listen))
  const delegate = optionalHostPort(ENV.delegate, value(ENV.delegate))
  const services = publicUri && {
    publicUri,
    // The delegate's host is what clients connect to, not where to listen: `spec/acn.md §2`.
    ...present('delegate', delegate && { host: listen.host, port: delegate.port }),
    ...present('monitoring', optionalHostPort(ENV.monitoring, value(ENV.monitoring))),
    ...present('mailbox', optionalHostPort(ENV.mailbox, value(ENV.mailbox))),
  }
  const settings: NodeSettings = {
    peerKey: readPeerKey(value(ENV.peerKey)),
    listen,
    ...services,
    entryPeers: readEntryPeers(value(ENV.entryPeers)),
    ...present('pipe', readPipe(value)),
    ...present('record', readRecord(value)),
    registrationDelay: readDelay(value(ENV.registrationDelay)),
    ...present('storagePath', value(ENV.storagePath) || undefined),
  }
  if (!publicUri) checkRelayClient(settings)
  return settings
}

type Value = (name: string) => string

function present<K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: T })
}

function readPeerKey(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new NodeSettingsError(ENV.peerKey, 'a private key of 32 bytes in hexadecimal is needed')
  }
  return new Uint8Array(Buffer.from(text, 'hex'))
}

function readHostPort(variable: string, text: string): HostPort {
  try {
    return parseHostPort(text)
  } catch (cause) {
    throw new NodeSettingsError(variable, 'host:port is needed', { cause })
  }
}

function optionalHostPort(variable: string, text: string): HostPort | undefined {
  return text === '' ? undefined : readHostPort(variable, text)
}

function readEntryPeers(text: string): NodeSettings['entryPeers'] {
  const list = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  return list.map((item) => {
    try {
      const address = parsePeerAddress(item)
      if (address.peerId === undefined) throw new DecodeError('no peer id', 0)
      return { ...address, peerId: address.peerId }
    } catch (cause) {
      throw new NodeSettingsError(ENV.entryPeers, 'a list of multiaddrs with /p2p/ is needed', { cause })
    }
  })
}

/** All three variables, or none. */
function readPipe(value: Value): PipeSettings | undefined {
  const names = [ENV.agentAddress, ENV.toNode, ENV.toAgent] as const
  const missing = names.find((name) => value(name) === '')
  if (missing === undefined) {
    if (value(ENV.toNode) !== value(ENV.toAgent)) throw new NodeSettingsError(ENV.toAgent, `differs from ${ENV.toNode}`)
    const port = /^[0-9]{1,5}$/.test(value(ENV.toNode)) ? Number(value(ENV.toNode)) : 0
    if (port < 1 || port > 65_535) throw new NodeSettingsError(ENV.toNode, 'a port is needed')
    return { agentAddress: value(ENV.agentAddress), port }
  }
  if (names.some((name) => value(name) !== '')) throw new NodeSettingsError(missing, 'missing, the other two are there')
  return undefined
}

function readRecord(value: Value): AgentRecord | undefined {
  if (value(ENV.recordAddress) === '') return undefined
  return {
    serviceId: value(ENV.recordServiceId),
    ledgerId: value(ENV.recordLedgerId),
    address: value(ENV.recordAddress),
    publicKey: value(ENV.recordPublicKey),
    peerPublicKey: value(ENV.recordPeerPublicKey),
    signature: value(ENV.recordSignature),
    notBefore: '',
    notAfter: '',
  }
}

function readDelay(text: string): number {
  if (text === '') return 0
  const seconds = Number(text)
  if (!Number.isFinite(seconds) || seconds < 0) {
    throw new NodeSettingsError(ENV.registrationDelay, 'a number of seconds is needed')
  }
  return seconds
}

function checkRelayClient({ record, entryPeers }: NodeSettings): void {
  if (!record) throw new NodeSettingsError(ENV.recordAddress, 'a relay client needs a record')
  if (entryPeers.length === 0) throw new NodeSettingsError(ENV.entryPeers, 'a relay client needs an entry peer')
}
