export type { Carried } from './carried.ts'
export type {
  CarriedEnd,
  CarriedEnvelope,
  CarriedInVain,
  Carrying,
  EnvelopeCarrier,
  FromCarrier,
} from './carrier.ts'
export type { RemoteRoute, ResolveOptions, RoutingNetwork, SentEnvelope } from './network.ts'
export type { RoutingObserver } from './observer.ts'
export { AcnRouter, type FromPeer } from './router.ts'
export type { RoutingLimits } from './routing-limits.ts'
