import type { ComponentLogger, Logger } from '@libp2p/interface'

/**
 * Logs nothing. libp2p makes a log scope for each stream, which with its own logger takes a tenth of the time of an
 * envelope; and what its parts would print is not for the logs of a node.
 */
export const QUIET_LOGGER: ComponentLogger = { forComponent: () => QUIET }

const QUIET: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => QUIET,
})
