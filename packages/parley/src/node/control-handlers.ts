import type { AcnNode } from '@parley/acn/node'
import type { Gateway } from '../gateway/gateway.ts'
import type { ControlHandlers } from './control-socket.ts'
import { runningSource, traceEnvelopes } from './trace-source.ts'

/** How a card was found, as the control socket tells it. */
export interface FoundAnswer {
  readonly card: 'ledger' | 'represented'
}

/** What a running node tells of envelopes and cards. */
export function controlHandlers({ acn, gateway }: { acn: AcnNode; gateway: Gateway | undefined }): ControlHandlers {
  const source = runningSource(acn, gateway)
  return {
    trace: (query) => traceEnvelopes(source, query.get('of') ?? ''),
    find: async (query): Promise<FoundAnswer | undefined> => {
      const found = await gateway?.find(query.get('address') ?? '')
      return found && { card: found.card.kind }
    },
  }
}
