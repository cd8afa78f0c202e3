import { runNodeProcess } from '@parley/acn/node'
import { acnGateway } from '../node/acn-gateway.ts'
import { controlHandlers } from '../node/control-handlers.ts'
import { ControlSocket } from '../node/control-socket.ts'
import { privateActions, privateHandlers } from '../node/private-handlers.ts'
import type { AcnConfig } from './acn-config.ts'

/** What a node is run with. */
export interface AcnRun {
  readonly print: (line: string) => void
  readonly stop: AbortSignal
  /** The key of the configuration that would name routers. */
  readonly withoutRouter: string
}

/**
 * Runs a node as the Go program does, with its gateway when it has a router to receive at.
 * @throws what keeps the node from starting or from going on
 */
export async function runAcnNode({ options, privacy }: AcnConfig, { print, stop, withoutRouter }: AcnRun) {
  const log = (level: 'info' | 'warning', line: string) => print(`${new Date().toISOString()} ${level}: ${line}`)
  const { dataFolder } = options
  const maker = acnGateway(privacy, options, log)
  await runNodeProcess(
    { ...options, log, ...(maker && { carrier: maker.carrier }) },
    {
      print,
      stop,
      onRunning: async (acn) => {
        const gateway = maker?.gateway
        if (!gateway) {
          if (privacy.mode !== 'off')
            log('info', `all envelopes go the plain way: ${withoutRouter} names no SMP router`)
          return undefined
        }
        try {
          const handlers = { ...controlHandlers({ acn, gateway }), ...privateHandlers(gateway) }
          return await ControlSocket.listen(dataFolder, handlers, privateActions(gateway))
        } catch (error) {
          const { code = 'unknown' } = error as NodeJS.ErrnoException
          log('warning', `the control socket cannot be opened (${code}): \`parley trace\` will not see this node`)
          return undefined
        }
      },
    },
  )
}
