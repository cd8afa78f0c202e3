export type { RemoteRoute, ResolveOptions, RoutingNetwork } from './network.ts'
export type { RoutingObserver } from './observer.ts'
export { AcnRouter, type RoutingLimits } from './router.ts'
