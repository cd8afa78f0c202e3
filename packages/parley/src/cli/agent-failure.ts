import type { AgentError } from '@parley/agent'

/** What a failure of the agent means for somebody at a terminal, with the protocol's own name for it. */
export function agentFailure({ errorType, message }: AgentError): string {
  switch (errorType.type) {
    case 'SMP':
      return errorType.error.type === 'AUTH'
        ? `the router refused (SMP AUTH): the link is used or not valid any more, or ${errorType.server} wants a password`
        : `the router ${errorType.server} refused: ${message}`
    case 'BROKER':
      return `the router ${errorType.server} cannot be reached or used: ${message}`
    default:
      return message
  }
}
