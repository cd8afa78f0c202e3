import type { NotDeliveredReason, RegistrationKind } from '../store/index.ts'

/** Told of what routing does: for metrics and the log. Durations are in milliseconds. */
export interface RoutingObserver {
  /** Routing of an envelope from an agent of this node begins; the function is called at its end, whatever that is. */
  routing(): (outcome: 'delivered' | 'not-delivered') => void
  registered(kind: RegistrationKind, duration: number): void
  attached(kind: RegistrationKind, change: 1 | -1): void
  lookedUp(duration: number): void
  notDelivered(reason: NotDeliveredReason): void
  /** An envelope of an agent of this node went by the carrier. */
  carried(): void
  /** A line for the log, without contents or keys. */
  log(level: 'info' | 'warning', line: string): void
}

/** An observer that looks away. */
export const NO_OBSERVER: RoutingObserver = {
  routing: () => () => {},
  registered: () => {},
  attached: () => {},
  lookedUp: () => {},
  notDelivered: () => {},
  carried: () => {},
  log: () => {},
}
