export {
  CardDirectory,
  type CardDirectoryOptions,
  type FindOptions,
  type FoundCard,
  type FoundWay,
} from './card-directory.ts'
export { type AgentCardMessage, CARD_ENVELOPE_PROTOCOL, cardEnvelope, readCardEnvelope } from './card-envelope.ts'
export { type CardMessage, decodeCardMessage, encodeCardMessage, PUBLISHED, REFUSED } from './card-message.ts'
export type { RefusedCard } from './card-search.ts'
export { CardStore, type CardStoreOptions } from './card-store.ts'
export { DirectoryError, type DirectoryErrorCode } from './directory-error.ts'
export { CARD_PROTOCOL, type DirectoryHost } from './directory-host.ts'
export {
  DEFAULT_DIRECTORY_LIMITS,
  DEFAULT_DIRECTORY_TIMEOUTS,
  type DirectoryLimits,
  type DirectoryTimeouts,
} from './limits.ts'
export type { LinkReader } from './link-check.ts'
export { linkReaderOf } from './link-reader.ts'
