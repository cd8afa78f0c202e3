export { MailboxEntry, type MailboxEntryOptions } from './mailbox-entry.ts'
export { MailboxServer, type MailboxServerOptions } from './mailbox-server.ts'
export { SESSION_LIMITS, type SessionLimits } from './mailbox-sessions.ts'
