import type { PrivateKey } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import { AgentError } from '../agent-error.ts'
import { type ConnectionLink, type ConnectionRequest, parseConnectionLink, type ShortLink } from '../links/index.ts'
import { getInvShortLink } from '../store/inv-short-links.ts'
import { prepareJoin, resumeByKey } from './join.ts'
import type { OwnInfo } from './own-info.ts'
import { runJoin } from './run-join.ts'
import { resolveShortLink } from './short-links.ts'

/** How a link is joined. */
export interface JoinConnectionOptions {
  /** Full or short link, of an invitation or of a contact address. */
  readonly link: string
  /** What this application says about itself, or how to make it; the peer's application reads it in CONF or REQ. */
  readonly info: OwnInfo
  /** Post-quantum encryption, when the peer supports it. Default true. */
  readonly pq?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Joins a connection: `spec/agent.md §5`.
 * @throws AgentError A_VERSION, A_LINK, CMD SYNTAX, CMD LARGE; of the routers
 */
export async function joinConnection(
  context: AgentContext,
  options: JoinConnectionOptions,
): Promise<{ connId: string }> {
  const parsed = parseLink(options.link)
  const connId =
    parsed.type === 'full'
      ? await joinRequest(context, parsed.request, options)
      : await joinShortLink(context, parsed.link, options)
  await runJoin(context, connId, options.signal)
  return { connId }
}

function joinRequest(
  context: AgentContext,
  request: ConnectionRequest,
  { info, pq = true, signal }: JoinConnectionOptions,
  sndPrivateKey?: PrivateKey<'ed25519'>,
): Promise<string> {
  return prepareJoin(context, { request, info, pq, sndPrivateKey, signal })
}

async function joinShortLink(context: AgentContext, link: ShortLink, options: JoinConnectionOptions): Promise<string> {
  const resumed = await resumeByLink(context, link, options.info)
  if (resumed !== undefined) return resumed
  const { request, sndPrivateKey } = await resolveShortLink(context, link, options.signal)
  return joinRequest(context, request, options, sndPrivateKey)
}

/** The key that opened a one-time link is kept for a while: the application may not have heard of it and join again. */
async function resumeByLink(context: AgentContext, link: ShortLink, info: OwnInfo): Promise<string | undefined> {
  if (link.mode !== 'invitation') return undefined
  const opened = context.store.read((db) => getInvShortLink(db, link.server, link.linkId))
  return opened && resumeByKey(context, opened.sndPrivateKey, info)
}

/**
 * Reads a full or a short link.
 * @throws AgentError CMD SYNTAX
 */
export function parseLink(link: string): ConnectionLink {
  try {
    return parseConnectionLink(link)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new AgentError({ type: 'CMD', error: 'SYNTAX', context: 'link' }, { cause })
  }
}
