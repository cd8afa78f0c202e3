export type { ChallengePolicy } from '../entrance/challenge.ts'
export { createSessionCertificate, type SessionCertificate } from '../entrance/session-certificate.ts'
export { DelegateEntry, type DelegateEntryOptions } from './delegate-entry.ts'
export {
  DELEGATE_TIMEOUTS,
  DelegateServer,
  type DelegateServerOptions,
  type DelegateTimeouts,
} from './delegate-server.ts'
