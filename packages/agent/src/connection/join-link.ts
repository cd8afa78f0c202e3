import { DecodeError } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import { AgentError } from '../agent-error.ts'
import { type ConnectionLink, parseConnectionLink } from '../links/index.ts'
import { prepareJoin } from './join.ts'
import { runJoin } from './run-join.ts'
import { resolveShortLink } from './short-links.ts'

/** How a link is joined. */
export interface JoinConnectionOptions {
  /** Full or short link, of an invitation or of a contact address. */
  readonly link: string
  /** What this application says about itself; the peer's application reads it in CONF or REQ. */
  readonly info: Uint8Array
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
  { link, info, pq = true, signal }: JoinConnectionOptions,
): Promise<{ connId: string }> {
  const parsed = parseLink(link)
  if (parsed.type === 'full') {
    const connId = await prepareJoin(context, { request: parsed.request, info, pq, signal })
    await runJoin(context, connId, signal)
    return { connId }
  }
  const { request, sndPrivateKey } = await resolveShortLink(context, parsed.link, signal)
  const connId = await prepareJoin(context, { request, info, pq, sndPrivateKey, signal })
  await runJoin(context, connId, signal)
  // The key that opened the link is kept for a while: the application may not have heard of this and join again.
  return { connId }
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
