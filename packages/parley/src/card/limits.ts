/** Longest signed card without its attachment, in bytes. */
export const MAX_SIGNED_CARD = 4096
/** Longest attachment, in bytes. */
export const MAX_ATTACHMENT = 8192
/** Longest signed card with its attachment, in bytes: field number and length of the attachment take 3. */
export const MAX_SIGNED_CARD_WITH_ATTACHMENT = MAX_SIGNED_CARD + 3 + MAX_ATTACHMENT
/** Longest contact link, in characters. */
export const MAX_CONTACT_LINK = 1024
/** Longest media type of an attachment, in characters. */
export const MAX_ATTACHMENT_TYPE = 127
/** Longest time from `notBefore` to `notAfter`, ms: 400 days. */
export const MAX_CARD_LIFETIME = 400 * 24 * 3_600_000
/** How far the clock of whoever made a card may be ahead, ms. */
export const CARD_SKEW = 5 * 60_000
/** Length of a channel key, raw Ed25519, in bytes. */
export const CHANNEL_KEY_LENGTH = 32
