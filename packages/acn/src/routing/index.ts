export type { Carried } from './carried.ts'
export type {
  CarriedEnd,
  CarriedEnvelope,
  CarriedInVain,
  Carrying,
  EnvelopeCarrier,
  FromCarrier,
} from './carrier.ts'
export type { FromPeer } from './from-peers.ts'
export type { RemoteRoute, ResolveOptions, RoutingNetwork, SentEnvelope } from './network.ts'
export type { RoutingObserver } from './observer.ts'
export { AcnRouter } from './router.ts'
export type { RoutingLimits } from './routing-limits.ts'
