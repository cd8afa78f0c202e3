import type { PrivateKey } from '@parley/core/crypto'
import { equalBytes } from '@parley/core/encoding'
import type { EntityId, QueueLinkData, QueueRequest, SmpServer } from '@parley/smp/protocol'
import { AgentError } from '../agent-error.ts'
import type { ConnectionRequest } from './connection-request.ts'
import {
  encryptFixedLinkData,
  encryptLinkUserData,
  type LinkData,
  signFixedLinkData,
  signLinkUserData,
} from './link-crypto.ts'
import type { FixedLinkData, LinkUserData } from './link-data.ts'
import { contactLinkKeys, invitationLinkKey } from './link-keys.ts'
import type { ShortLink } from './short-link.ts'

/** What a link is made of. */
export interface LinkContent {
  /** Private half of the new root key; it is the only signer of a new link. */
  readonly rootKey: PrivateKey<'ed25519'>
  /** Its first queue's sender id must be `senderIdOf` the correlation id of NEW. */
  readonly request: ConnectionRequest
  /** Of the same mode as the request. */
  readonly user: LinkUserData
  readonly linkEntityId?: Uint8Array
}

/** A link ready to be made with NEW or LSET, and what its owner keeps: `spec/agent.md §2.5`, Creation. */
export interface PreparedLink {
  readonly linkKey: Uint8Array
  /** Only of contact links; routers choose the id of one-time links. */
  readonly linkId?: EntityId
  readonly data: QueueLinkData
}

/** 24 random bytes each, for the two boxes. */
export interface LinkNonces {
  readonly fixed: Uint8Array
  readonly user: Uint8Array
}

/**
 * Signs and encrypts the data of a new link.
 * @throws AgentError CMD LARGE when the data does not fit
 */
export function prepareLink({ rootKey, request, user, linkEntityId }: LinkContent, nonces: LinkNonces): PreparedLink {
  const fixedData: FixedLinkData = {
    agentVersions: user.agentVersions,
    rootKey: rootKey.publicKey,
    request,
    ...(linkEntityId && { linkEntityId }),
  }
  const { linkKey, signed } = signFixedLinkData(rootKey, fixedData)
  const { key, ...id } = linkDataKeys(linkKey, request.mode)
  const fixed = encryptFixedLinkData(key, signed, nonces.fixed)
  const data = { fixed, user: encryptLinkUserData(key, signLinkUserData(rootKey, user), nonces.user) }
  return { linkKey, ...id, data }
}

/**
 * New user data for an existing link; the fixed data stays byte for byte what it was.
 * @param key the root key or an owner's
 * @param nonce 24 random bytes
 * @throws AgentError CMD LARGE
 */
export function updateLinkUserData(
  linkKey: Uint8Array,
  key: PrivateKey<'ed25519'>,
  user: LinkUserData,
  nonce: Uint8Array,
): Uint8Array {
  return encryptLinkUserData(linkDataKeys(linkKey, user.mode).key, signLinkUserData(key, user), nonce)
}

/** Key of the boxes and, for contact links, the id at the router. */
export function linkDataKeys(linkKey: Uint8Array, mode: LinkUserData['mode']): { key: Uint8Array; linkId?: EntityId } {
  return mode === 'contact' ? contactLinkKeys(linkKey) : { key: invitationLinkKey(linkKey) }
}

/** The queueReq of NEW that makes a queue together with the link: `spec/agent.md §2.5`. */
export function linkQueueRequest({ linkId, data }: PreparedLink, senderId: EntityId): QueueRequest {
  if (linkId) return { mode: 'contact', data: { linkId, senderId, link: data } }
  return { mode: 'messaging', data: { senderId, link: data } }
}

/**
 * The link's data with the queue's address completed by the link's server, after the last check of reading:
 * the queue in the data must be the one that the router answered for.
 * @param senderId from LNK
 * @throws AgentError A_LINK "different address"
 */
export function resolveLinkData({ server }: Pick<ShortLink, 'server'>, senderId: EntityId, data: LinkData): LinkData {
  const { request } = data.fixed
  const [queue, ...others] = request.queues
  if (!queue.server.hosts.includes(server.hosts[0]) || !equalBytes(senderId, queue.senderId)) {
    throw new AgentError({ type: 'AGENT', error: { type: 'A_LINK', detail: 'different address' } })
  }
  return { ...data, fixed: { ...data.fixed, request: withServer(request, [{ ...queue, server }, ...others]) } }
}

function withServer(request: ConnectionRequest, queues: ConnectionRequest['queues']): ConnectionRequest {
  return request.mode === 'invitation' ? { ...request, queues } : { ...request, queues }
}

/** The short link of a prepared link, once the router has named one-time ones. */
export function shortLinkOf(
  prepared: Pick<PreparedLink, 'linkKey'>,
  server: SmpServer,
  target: { readonly mode: 'contact' } | { readonly mode: 'invitation'; readonly linkId: EntityId },
): ShortLink {
  const base = { scheme: 'https', server, linkKey: prepared.linkKey } as const
  if (target.mode === 'contact') return { ...base, mode: 'contact', contactType: 'contact' }
  return { ...base, mode: 'invitation', linkId: target.linkId }
}
