import { DecodeError } from '@parley/core/encoding'
import type { ConnectionRequest } from './connection-request.ts'
import { formatConnectionRequest, parseConnectionRequest } from './connection-request-text.ts'
import type { ShortLink } from './short-link.ts'
import { formatShortLink, parseShortLink } from './short-link-text.ts'

/** Whatever one can connect with: a full link or a short one. */
export type ConnectionLink =
  | { readonly type: 'full'; readonly request: ConnectionRequest }
  | { readonly type: 'short'; readonly link: ShortLink }

/** Full links have the mode as a word; short links one letter. */
const FULL = /^[^#]*\/(?:invitation|contact)\/?#/

/**
 * Reads a full or a short link.
 * @throws DecodeError
 */
export function parseConnectionLink(text: string): ConnectionLink {
  if (FULL.test(text)) return { type: 'full', request: parseConnectionRequest(text) }
  if (/^(?:simplex:\/|https:\/\/)/.test(text)) return { type: 'short', link: parseShortLink(text) }
  throw new DecodeError('not a connection link', 0)
}

/** The text form of either. */
export function formatConnectionLink(link: ConnectionLink): string {
  return link.type === 'full' ? formatConnectionRequest(link.request) : formatShortLink(link.link)
}
