/** Longest channel message, in bytes: the longest body of a message of an agent with post-quantum encryption. */
export const MAX_CHANNEL_MESSAGE = 13_573
/** Longest envelope, in bytes: that of ACN. */
export const MAX_ENVELOPE = 3 * 1024 * 1024
/** Length of an envelope's id, in bytes. */
export const ENVELOPE_ID_LENGTH = 16
/**
 * Numbered messages that may be without `stored`. Routers hold 128 messages a queue and refuse the next one; what is not
 * numbered is bounded too ({@link UNNUMBERED}), so that the queue of a peer that is away never fills.
 */
export const WINDOW = 48
/** Messages without a number that may be sent after the last one of the peer; those after them have a number. */
export const UNNUMBERED = 16
/** Refusals that an acknowledgement repeats: the latest ones. */
export const REPEATED_REFUSALS = 32
/** Highest status with which an application may refuse an envelope. */
export const MAX_STATUS = 0xffff
/** Status of an envelope whose parts do not make what its digest names. */
export const STATUS_CORRUPTED = 0x10000
/** Longest REQ information, in bytes: a signed card, a signature, a time. */
export const MAX_REQUEST = 4096 + 128
