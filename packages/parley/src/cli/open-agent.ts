import { Agent, AgentError, StoreError } from '@parley/agent'
import { CliError, EXIT } from './exit-codes.ts'

/** What the commands open an agent with. */
export interface OpenAgentOptions {
  /** Database file. */
  readonly store: string
  readonly passphrase?: string | undefined
  /** Addresses of routers. */
  readonly servers: readonly [string, ...string[]]
}

/** Opens an agent; what its user can mend becomes a CliError. */
export async function openAgent({ store, passphrase, servers }: OpenAgentOptions): Promise<Agent> {
  try {
    return await Agent.open({ store, servers, ...(passphrase !== undefined && { passphrase }) })
  } catch (error) {
    if (error instanceof AgentError && error.errorType.type === 'CMD') {
      throw new CliError(`malformed router address: ${error.message}`, EXIT.malformed)
    }
    if (error instanceof StoreError) throw new CliError(error.message, EXIT.failed, { cause: error })
    throw error
  }
}
