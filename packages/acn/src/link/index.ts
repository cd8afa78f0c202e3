export { type LinkHandlers, type ReceivedByLink, serveLinks } from './incoming-link.ts'
export { LINK_PROTOCOL } from './link-frames.ts'
export { LinkPool } from './link-pool.ts'
