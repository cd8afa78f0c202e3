import { randomBytes } from 'node:crypto'
import { PrivateKey } from '@parley/core/crypto'
import type { AgentContext } from '../agent-context.ts'
import { commandError, connError, toAgentError } from '../client-errors.ts'
import {
  type ConnectionRequest,
  decryptLinkData,
  formatShortLink,
  type LinkData,
  linkDataKeys,
  prepareLink,
  resolveLinkData,
  type ShortLink,
  shortLinkOf,
  updateLinkUserData,
} from '../links/index.ts'
import { requireConnection } from '../store/agent-store.ts'
import { getInvShortLink, insertInvShortLink } from '../store/inv-short-links.ts'
import { rcvQueuesOf, updateRcvQueue } from '../store/rcv-queues.ts'
import type { ConnectionMode, QueueLinkRecord, RcvQueueRecord } from '../store/records.ts'
import { connectionRequestOf, linkUserData } from './create.ts'
import { linkTarget } from './new-queue.ts'
import { queueUriOf } from './queue-uri.ts'

const NONCE_LENGTH = 24

/** What a short link led to. */
export interface ResolvedLink {
  readonly request: ConnectionRequest
  readonly data: LinkData
  /** Secures the queue of a one-time link, and did so when it was opened. */
  readonly sndPrivateKey?: PrivateKey<'ed25519'>
}

/**
 * Opens a short link. A one-time link is opened with a key that is stored before it is sent: only this agent can
 * open it again or join it then. `spec/agent.md §2.5`, Reading.
 * @throws AgentError SMP AUTH when the link is used or deleted, A_LINK when its data is not genuine
 */
export async function resolveShortLink(
  context: AgentContext,
  link: ShortLink,
  signal?: AbortSignal,
): Promise<ResolvedLink> {
  const { clients } = context
  const { key, linkId } = linkDataKeys(link.linkKey, link.mode)
  const request = { mode: 'interactive', signal } as const
  try {
    const client = await clients.get(link.server, request)
    if (link.mode === 'contact') {
      if (!linkId) throw commandError('SYNTAX', 'link')
      const { sndId, link: encrypted } = await client.getLinkData(linkId, request)
      const data = resolveLinkData(link, sndId, decryptLinkData(link.linkKey, key, encrypted, link.mode))
      return { request: data.fixed.request, data }
    }
    const sndPrivateKey = await senderKeyOf(context, link)
    const { sndId, link: encrypted } = await client.secureAndGetLinkData(link.linkId, sndPrivateKey, request)
    const data = resolveLinkData(link, sndId, decryptLinkData(link.linkKey, key, encrypted, link.mode))
    return { request: data.fixed.request, data, sndPrivateKey }
  } catch (error) {
    signal?.throwIfAborted()
    throw toAgentError(error)
  }
}

async function senderKeyOf(
  { store }: AgentContext,
  { server, linkId, linkKey }: Extract<ShortLink, { mode: 'invitation' }>,
): Promise<PrivateKey<'ed25519'>> {
  return store.transaction((db) => {
    const known = getInvShortLink(db, server, linkId)
    if (known) return known.sndPrivateKey
    const sndPrivateKey = PrivateKey.generate('ed25519')
    insertInvShortLink(db, { server, linkId, linkKey, sndPrivateKey })
    return sndPrivateKey
  })
}

interface LinkedQueue {
  readonly mode: ConnectionMode
  readonly queue: RcvQueueRecord
}

function linkedQueue({ store }: AgentContext, connId: string): LinkedQueue {
  return store.read((db) => {
    const { mode } = requireConnection(db, connId)
    const [queue] = rcvQueuesOf(db, connId)
    if (!queue) throw connError('SIMPLEX', 'short link')
    return { mode, queue }
  })
}

/**
 * Sets the application's data behind the short link of a connection; a contact address without a short link gets one.
 * @returns the short link
 * @throws AgentError CMD PROHIBITED for an invitation without a short link, CMD LARGE; of the router
 */
export async function setShortLinkData(
  context: AgentContext,
  connId: string,
  userData: Uint8Array,
  signal?: AbortSignal,
): Promise<string> {
  const { mode, queue } = linkedQueue(context, connId)
  if (!queue.link && mode !== 'contact') throw commandError('PROHIBITED', 'invitation without a short link')
  const user = linkUserData(context, mode, userData)
  const link = queue.link ?? (await newContactLink(context, queue))
  const data = {
    fixed: link.fixedData,
    user: updateLinkUserData(link.linkKey, link.privateKey, user, randomBytes(NONCE_LENGTH)),
  }
  await atRouter(context, queue, signal, (client, recipient, request) =>
    client.setLinkData(recipient, link.linkId, data, request),
  )
  return formatShortLink(shortLinkOf(link, queue.server, linkTarget(mode, link)))
}

/** The keys of a new link are stored before the router gets its data. */
async function newContactLink(context: AgentContext, queue: RcvQueueRecord): Promise<QueueLinkRecord> {
  const { store, config } = context
  const privateKey = PrivateKey.generate('ed25519')
  const { linkId, linkKey, data } = prepareLink(
    {
      rootKey: privateKey,
      request: connectionRequestOf(context, queueUriOf(queue, config.clientVersions), undefined),
      user: linkUserData(context, 'contact', new Uint8Array()),
    },
    { fixed: randomBytes(NONCE_LENGTH), user: randomBytes(NONCE_LENGTH) },
  )
  if (!linkId) throw commandError('PROHIBITED', 'not a contact address')
  const link = { linkId, linkKey, privateKey, fixedData: data.fixed }
  await store.lockConnForUpdate(queue.connId, (db) => updateRcvQueue(db, queue.rcvQueueId, { link }))
  return link
}

/** The short link of a connection, when it has one. */
export function getShortLink(context: AgentContext, connId: string): string | undefined {
  const { mode, queue } = linkedQueue(context, connId)
  return queue.link && formatShortLink(shortLinkOf(queue.link, queue.server, linkTarget(mode, queue.link)))
}

/**
 * Deletes the data behind the short link: it leads nowhere from then on; the full link stays as it is.
 * @throws AgentError of the router
 */
export async function deleteShortLink(context: AgentContext, connId: string, signal?: AbortSignal): Promise<void> {
  const { queue } = linkedQueue(context, connId)
  await atRouter(context, queue, signal, (client, recipient, request) => client.deleteLinkData(recipient, request))
  await context.store.lockConnForUpdate(connId, (db) => updateRcvQueue(db, queue.rcvQueueId, { link: null }))
}

type Client = Awaited<ReturnType<AgentContext['clients']['get']>>
type Recipient = Parameters<Client['delete']>[0]
type Request = { readonly mode: 'interactive'; readonly signal?: AbortSignal | undefined }

/**
 * Runs a recipient's command while somebody waits for it.
 * @throws AgentError of the router; the signal's reason
 */
export async function atRouter(
  { clients }: AgentContext,
  { server, rcvId, rcvPrivateKey }: RcvQueueRecord,
  signal: AbortSignal | undefined,
  command: (client: Client, recipient: Recipient, request: Request) => Promise<void>,
): Promise<void> {
  const request = { mode: 'interactive', signal } as const
  try {
    await command(await clients.get(server, request), { rcvId, key: rcvPrivateKey }, request)
  } catch (error) {
    signal?.throwIfAborted()
    throw toAgentError(error)
  }
}
