import type { AgentContext } from '../agent-context.ts'
import { type ConnectionRequest, formatConnectionRequest, type LinkUserData, type SmpQueueUri } from '../links/index.ts'
import { pqSupported } from '../protocol/index.ts'
import { e2eParamsNeedKemKeyPair, generateRcvE2eParams, type RatchetRandom, type X3dhKeys } from '../ratchet/index.ts'
import { chooseServer } from '../server-choice.ts'
import { insertConnection } from '../store/connections.ts'
import { insertX3dhKeys } from '../store/ratchets.ts'
import { insertRcvQueue } from '../store/rcv-queues.ts'
import { newId } from './ids.ts'
import { makeQueue } from './new-queue.ts'
import { e2eParamsToOffer } from './own-info.ts'

/** What createConnection makes. */
export interface CreateConnectionOptions {
  /** A one-time invitation, or an address to which many may send requests. */
  readonly mode: 'invitation' | 'contact'
  /** Post-quantum encryption, when the peer supports it. Default true. */
  readonly pq?: boolean | undefined
  /** Data of the application behind the short link. Default none. */
  readonly userData?: Uint8Array | undefined
  /** Text of the application in the link. */
  readonly clientData?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** A connection with the links by which others join it. */
export interface CreatedConnection {
  readonly connId: string
  /** Full link. */
  readonly link: string
  /** Absent when the router is too old for short links. */
  readonly shortLink?: string
}

/**
 * Makes a queue and the links to it. Nothing is stored before the router has made the queue, and nobody knows the
 * link before everything is stored.
 * @throws AgentError SMP, BROKER; CMD LARGE when the data does not fit the link
 */
export async function createConnection(
  context: AgentContext,
  options: CreateConnectionOptions,
): Promise<CreatedConnection> {
  const { config, kem } = context
  const pq = options.pq ?? true
  const generate = { version: config.e2eVersions.max, pq }
  const needsPair = options.mode === 'invitation' && e2eParamsNeedKemKeyPair(generate)
  return kem.withPair(needsPair, (random) => create(context, options, pq, random), options.signal)
}

async function create(
  context: AgentContext,
  { mode, userData = new Uint8Array(), clientData, signal }: CreateConnectionOptions,
  pq: boolean,
  random: RatchetRandom,
): Promise<CreatedConnection> {
  const { config, store, subscriptions } = context
  const connId = newId()
  const keys =
    mode === 'invitation' ? generateRcvE2eParams({ version: config.e2eVersions.max, pq }, random).keys : undefined
  const request = (queue: SmpQueueUri) => connectionRequestOf(context, queue, keys, clientData)
  const made = await makeQueue(context, {
    connId,
    mode,
    server: chooseServer(context.servers),
    link: { userData: linkUserData(context, mode, userData), request },
    signal,
  })
  const queue = await store.transaction((db) => {
    insertConnection(db, {
      connId,
      mode,
      agentVersion: config.agentVersions.max,
      pqSupport: pqSupported(pq, { agent: config.agentVersions.max, e2e: config.e2eVersions.max }),
      createdAt: config.now(),
    })
    if (keys) insertX3dhKeys(db, connId, keys)
    return insertRcvQueue(db, made.queue)
  })
  subscriptions.addActive(queue, made.client)
  const link = formatConnectionRequest(request(made.uri))
  return { connId, link, ...(made.shortLink !== undefined && { shortLink: made.shortLink }) }
}

/** The request that leads to a queue: an invitation when there are keys for its ratchet, else a contact address. */
export function connectionRequestOf(
  { config }: Pick<AgentContext, 'config'>,
  queue: SmpQueueUri,
  keys: X3dhKeys | undefined,
  clientData?: string,
): ConnectionRequest {
  const data = {
    agentVersions: config.agentVersions,
    queues: [queue] as const,
    ...(clientData !== undefined && { clientData }),
  }
  if (!keys) return { mode: 'contact', ...data }
  return { mode: 'invitation', ...data, e2eParams: e2eParamsToOffer(config, keys) }
}

/** What the owner of a link publishes with it. */
export function linkUserData(
  { config }: Pick<AgentContext, 'config'>,
  mode: 'invitation' | 'contact',
  userData: Uint8Array,
): LinkUserData {
  const { agentVersions } = config
  if (mode === 'invitation') return { mode, agentVersions, userData }
  return { mode, agentVersions, direct: true, owners: [], relays: [], userData }
}
