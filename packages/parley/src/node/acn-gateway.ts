import type { AcnNodeOptions } from '@parley/acn/node'
import { Agent } from '@parley/agent'
import { GatewayMaker } from '../gateway/gateway-maker.ts'
import { dataPaths } from './data-folder.ts'
import { requestPolicyOf } from './gateway-options.ts'
import type { AcnPrivateSettings } from './private-settings.ts'

/**
 * The gateway of a node that runs by itself, in the folder of its store, with the passphrase of that; undefined when
 * nothing goes in private there.
 */
export function acnGateway(
  settings: AcnPrivateSettings,
  { dataFolder: folder, passphrase }: Pick<AcnNodeOptions, 'dataFolder' | 'passphrase'>,
  log: (level: 'info' | 'warning', line: string) => void,
): GatewayMaker | undefined {
  const { mode, lookup, smp } = settings
  if (mode === 'off' || smp.length === 0) return undefined
  return new GatewayMaker(async () => ({
    agent: await Agent.open({
      store: dataPaths(folder).agent,
      servers: smp,
      ...(passphrase !== undefined && { passphrase }),
    }),
    ownsAgent: true,
    folder,
    passphrase,
    mode,
    lookup,
    policy: requestPolicyOf(settings),
    log,
  }))
}
