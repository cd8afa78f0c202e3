import { join } from 'node:path'
import { Agent } from '@parley/agent'
import { GatewayMaker } from '../gateway/gateway-maker.ts'
import { requestPolicyOf } from './gateway-options.ts'
import type { AcnPrivateSettings } from './private-settings.ts'

/**
 * The gateway of a node that runs by itself, in the folder of its store; undefined when nothing goes in private there.
 */
export function acnGateway(
  settings: AcnPrivateSettings,
  folder: string,
  log: (level: 'info' | 'warning', line: string) => void,
): GatewayMaker | undefined {
  const { mode, lookup, smp } = settings
  if (mode === 'off' || smp.length === 0) return undefined
  return new GatewayMaker(async () => ({
    agent: await Agent.open({ store: join(folder, 'agent.db'), servers: smp }),
    ownsAgent: true,
    folder,
    mode,
    lookup,
    policy: requestPolicyOf(settings),
    log,
  }))
}
