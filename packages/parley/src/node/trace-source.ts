import type { AcnNode } from '@parley/acn/node'
import type { AcnStoreReader, NotDelivered, TraceEvent } from '@parley/acn/store'
import type { ChannelReader, EnvelopeState } from '../channel/index.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { type EnvelopeTrace, traceOf } from './envelope-trace.ts'

/** Where traces are read from: a node that runs in this process, or the stores of one that does not. */
export interface TraceSource {
  steps(id: string): Promise<readonly TraceEvent[]>
  /** Ids of envelopes from or for an address, the newest first. */
  idsOf(address: string, limit: number): Promise<readonly string[]>
  lost(query: { readonly id: string } | { readonly sender: string }): Promise<readonly NotDelivered[]>
  privateState(from: string, to: string, id: string): Promise<EnvelopeState | 'at router' | undefined>
}

/** Envelopes of which an address's traces tell at most. */
export const MAX_TRACES = 100

/** Of a running node. */
export function runningSource(acn: AcnNode, gateway: Gateway | undefined): TraceSource {
  const { store } = acn
  return {
    steps: (id) => store.trace(id),
    idsOf: (address, limit) => store.tracedOf(address, limit),
    lost: (query) => store.listNotDelivered({ ...query, limit: 1000 }),
    async privateState(from, to, id) {
      const state = gateway?.channels.stateOf(from, to, id)
      if (state !== 'sent') return state
      return (await gateway?.channels.isAtRouter(from, to)) ? 'at router' : state
    },
  }
}

/** Of the stores of a node. */
export function storedSource(acn: AcnStoreReader, channels: ChannelReader | undefined): TraceSource {
  return {
    steps: async (id) => acn.trace(id),
    idsOf: async (address, limit) => acn.tracedOf(address, limit),
    lost: async (query) => acn.listNotDelivered(query),
    privateState: async (from, to, id) => channels?.stateOf(from, to, id),
  }
}

/** Whether a text is the id of an envelope, not an address. */
export function isTraceId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

/** What became of an envelope; undefined when nothing is known of it. */
export async function traceEnvelope(source: TraceSource, id: string): Promise<EnvelopeTrace | undefined> {
  const [steps, lost] = [await source.steps(id), await source.lost({ id })]
  return traceOf(id, { steps, lost, privateState: (from, to) => source.privateState(from, to, id) })
}

/** What became of one envelope, or of the newest from and for an address, oldest of them first. */
export async function traceEnvelopes(source: TraceSource, of: string): Promise<EnvelopeTrace[]> {
  const ids = isTraceId(of) ? [of] : await idsOf(source, of)
  const traces: EnvelopeTrace[] = []
  for (const id of ids) {
    const trace = await traceEnvelope(source, id)
    if (trace) traces.push(trace)
  }
  return traces
}

/** Those that were refused at once have no trace, only their record. */
async function idsOf(source: TraceSource, address: string): Promise<string[]> {
  const traced = (await source.idsOf(address, MAX_TRACES)).toReversed()
  const lost = (await source.lost({ sender: address })).map(({ id }) => id)
  return [...new Set([...lost, ...traced])].slice(-MAX_TRACES)
}
