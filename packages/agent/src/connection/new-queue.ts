import { randomBytes } from 'node:crypto'
import { dh, PrivateKey } from '@parley/core/crypto'
import type { MessageOf, SmpClient } from '@parley/smp/client'
import {
  formatSmpServer,
  type QueueMode,
  type QueueRequest,
  SMP_GATES,
  type SmpServer,
  type SmpServerWithAuth,
} from '@parley/smp/protocol'
import type { AgentContext } from '../agent-context.ts'
import { AgentError } from '../agent-error.ts'
import { toAgentError } from '../client-errors.ts'
import {
  CLIENT_GATES,
  type ConnectionRequest,
  formatShortLink,
  type LinkUserData,
  linkQueueRequest,
  type PreparedLink,
  prepareLink,
  type SmpQueueUri,
  senderIdOf,
  shortLinkOf,
} from '../links/index.ts'
import type { NewRcvQueue } from '../store/rcv-queues.ts'
import type { QueueLinkRecord } from '../store/records.ts'

const NONCE_LENGTH = 24

/** What a queue is made for. */
export interface QueuePurpose {
  readonly connId: string
  readonly mode: 'invitation' | 'contact'
  readonly server: SmpServerWithAuth
  /** Data for a short link that is made with the queue, and what it stands for. */
  readonly link?: {
    readonly userData: LinkUserData
    readonly request: (queue: SmpQueueUri) => ConnectionRequest
  }
  readonly signal?: AbortSignal | undefined
}

/** A queue that the router has made, to be stored. */
export interface MadeQueue {
  readonly queue: NewRcvQueue
  readonly uri: SmpQueueUri
  /** Absent when the router is too old for short links. */
  readonly shortLink?: string
  /** Whose session is subscribed to the queue. */
  readonly client: SmpClient
}

/**
 * Makes a queue at a router and subscribes to it. Nothing is stored: when the answer is lost, the router's queue is
 * never used.
 * @throws AgentError SMP, BROKER
 */
export async function makeQueue(context: AgentContext, purpose: QueuePurpose): Promise<MadeQueue> {
  try {
    return await requestQueue(context, purpose)
  } catch (error) {
    purpose.signal?.throwIfAborted()
    throw toAgentError(error)
  }
}

async function requestQueue(context: AgentContext, { connId, mode, server, link, signal }: QueuePurpose) {
  const { config, clients } = context
  const client = await clients.get(server.server, { mode: 'interactive', signal })
  const keys = {
    rcv: PrivateKey.generate('ed25519'),
    rcvDh: PrivateKey.generate('x25519'),
    e2e: PrivateKey.generate('x25519'),
  }
  const queueMode = mode === 'contact' ? 'contact' : config.senderSecures ? 'messaging' : undefined
  const base = { versions: config.clientVersions, server: server.server, dhKey: keys.e2e.publicKey }
  const nonce = randomBytes(NONCE_LENGTH)
  const canLink =
    queueMode && client.version >= SMP_GATES.shortLinks && config.clientVersions.max >= CLIENT_GATES.queueMode
  const linkKey = PrivateKey.generate('ed25519')
  const senderId = senderIdOf(nonce)
  const prepared =
    link && canLink
      ? prepareLink(
          { rootKey: linkKey, request: link.request({ ...base, senderId, mode: queueMode }), user: link.userData },
          { fixed: randomBytes(NONCE_LENGTH), user: randomBytes(NONCE_LENGTH) },
        )
      : undefined
  const queueRequest = prepared ? linkQueueRequest(prepared, senderId) : plainRequest(queueMode)
  const ids = await client.createQueue(
    {
      rcvAuthKey: keys.rcv,
      rcvDhKey: keys.rcvDh.publicKey,
      ...(server.password !== undefined && { password: server.password }),
      subscribe: true,
      ...(queueRequest && { queueRequest }),
      ...(prepared && { corrId: nonce }),
    },
    { mode: 'interactive', signal },
  )
  const linkRecord = prepared && linkOf(prepared, linkKey, ids, senderId, server.server)
  const agreedMode = ids.queueMode ?? (mode === 'contact' ? 'contact' : undefined)
  const queue: NewRcvQueue = {
    connId,
    server: server.server,
    rcvId: ids.rcvId,
    sndId: ids.sndId,
    rcvPrivateKey: keys.rcv,
    rcvDhSecret: dh(keys.rcvDh, ids.rcvPublicDhKey),
    e2ePrivateKey: keys.e2e,
    status: 'new',
    clientVersion: config.clientVersions.max,
    ...(agreedMode && { queueMode: agreedMode }),
    isPrimary: true,
    ...(linkRecord && { link: linkRecord }),
  }
  const uri: SmpQueueUri = { ...base, senderId: ids.sndId, ...(agreedMode && { mode: agreedMode }) }
  const shortLink = linkRecord && formatShortLink(shortLinkOf(linkRecord, server.server, linkTarget(mode, linkRecord)))
  return { queue, uri, client, ...(shortLink && { shortLink }) }
}

function plainRequest(mode: QueueMode | undefined): QueueRequest | undefined {
  return mode && { mode }
}

/** How the short link of a queue names it. */
export function linkTarget(mode: 'invitation' | 'contact', { linkId }: Pick<QueueLinkRecord, 'linkId'>) {
  return mode === 'contact' ? ({ mode } as const) : ({ mode, linkId } as const)
}

/** The router must have taken the ids that the link's data names: `spec/agent.md §2.5`, Creation. */
function linkOf(
  prepared: PreparedLink,
  privateKey: PrivateKey<'ed25519'>,
  ids: MessageOf<'IDS'>,
  senderId: Uint8Array,
  server: SmpServer,
): QueueLinkRecord {
  const { linkKey, data } = prepared
  const linkId = ids.linkId
  const sameSender = Buffer.compare(ids.sndId, senderId) === 0
  const sameLink = prepared.linkId === undefined || (linkId && Buffer.compare(linkId, prepared.linkId) === 0)
  if (!linkId || !sameSender || !sameLink) throw unexpectedIds(server)
  return { linkId, linkKey, privateKey, fixedData: data.fixed }
}

function unexpectedIds(server: SmpServer): AgentError {
  const error = { type: 'UNEXPECTED', detail: 'IDS' } as const
  return new AgentError({ type: 'BROKER', server: formatSmpServer(server), error })
}
