import type { VersionRange } from '@parley/core/version'

/** Versions of the protocol spoken here, both as client and as router: `spec/smp.md §2.5`. */
export const SMP_VERSIONS: VersionRange = { min: 6, max: 18 }

/** What a router offers to a connection that negotiated no ALPN: `spec/smp.md §2.2`, S7. */
export const LEGACY_SMP_VERSIONS: VersionRange = { min: 6, max: 6 }

/** What a proxy tells its clients of a relay's versions, at most: it hides the newest: `spec/smp.md §2.5`. */
export const PROXIED_SMP_VERSIONS: VersionRange = { min: 8, max: 17 }

/** The first version with each change on the wire: `spec/smp.md §2.5`. */
export const SMP_GATES = {
  /** X25519 keys in the handshake and authenticators; the session id is no longer sent. */
  authCommands: 7,
  /** PRXY, PFWD, RFWD and their answers. */
  proxy: 8,
  /** SKEY; a Maybe password and the sender's ability to secure in NEW and IDS. */
  senderKey: 9,
  /** DELD; older clients get END. */
  deletedEvent: 10,
  /** Encryption of blocks. */
  blockEncryption: 11,
  /** BLOCKED; older clients get AUTH. */
  blockedEntity: 12,
  /** The proxyServer field of the client hello. */
  proxyServer: 14,
  /** Queue modes and link data. */
  shortLinks: 15,
  /** Service certificates, the service signature slot, SOK. */
  service: 16,
  /** Notifier keys in NEW and IDS. */
  newNotifier: 17,
  /** The notice inside BLOCKED. */
  clientNotice: 18,
} as const

/** What codecs of commands and messages depend on besides the value. */
export interface ProtocolContext {
  /** Agreed version of the connection (or of the relay, for forwarded commands): 6 to 18. */
  readonly version: number
}

/** Largest body of SEND in bytes at an agreed version: `spec/smp.md §2.5`. */
export function maxMessageLength(version: number): number {
  if (version >= SMP_GATES.blockEncryption) return 16048
  if (version >= SMP_GATES.proxy) return 16064
  return MAX_STORED_MESSAGE_LENGTH
}

/** Largest body that a router keeps, in bytes, whatever the version: `spec/smp.md §5.2`. */
export const MAX_STORED_MESSAGE_LENGTH = 16088

/** Length to which the content of MSG is padded before it is sealed for the recipient: `spec/smp.md §5.2`. */
export const PADDED_RCV_MESSAGE_LENGTH = 16106

/** Length to which the meta data of NMSG is padded before it is sealed: `spec/smp.md §4`. */
export const PADDED_NOTIFICATION_LENGTH = 128

/** Length to which forwarded transmissions and their answers are padded: `spec/smp.md §6`. */
export const PADDED_PROXIED_LENGTH = 16226

/** The session id stands in transmissions below version 7 only. */
export function sendsSessionId(version: number): boolean {
  return version < SMP_GATES.authCommands
}

/** Transmissions with an authenticator have the service signature slot after it from version 16. */
export function hasServiceSlot(version: number): boolean {
  return version >= SMP_GATES.service
}
