export type { RemoteRoute, ResolveOptions, RoutingNetwork } from './network.ts'
export { NO_OBSERVER, type RoutingObserver } from './observer.ts'
export { AcnRouter, type AcnRouterOptions, DEFAULT_ROUTING_LIMITS, type RoutingLimits } from './router.ts'
