import { type Agent, AgentError } from '@parley/agent'
import { CardError } from '../card/index.ts'
import type { LinkReader } from './link-check.ts'

/** Reads links with an agent: by LGET at the link's router, which leaves no connection behind. */
export function linkReaderOf(agent: Pick<Agent, 'readShortLink'>): LinkReader {
  return async (link, signal) => {
    try {
      return (await agent.readShortLink(link, { signal })).userData
    } catch (error) {
      if (!leadsNowhere(error)) throw error
      throw new CardError('LINK_MISMATCH', 'link leads nowhere', { cause: error })
    }
  }
}

/** The router does not know the link (any more), or what it keeps is not its owner's. */
function leadsNowhere(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false
  const { errorType } = error
  if (errorType.type === 'SMP') return errorType.error.type === 'AUTH'
  return errorType.type === 'AGENT' && errorType.error.type === 'A_LINK'
}
