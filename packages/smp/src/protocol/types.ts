import type { DhAlgorithm, PublicKey, SignatureAlgorithm } from '@parley/core/crypto'
import type { VersionRange } from '@parley/core/version'

/** A key that authorises commands: signature (Ed25519, Ed448) or authenticator (X25519). */
export type AuthKey = PublicKey<SignatureAlgorithm | 'x25519'>
export type DhKey = PublicKey<Extract<DhAlgorithm, 'x25519'>>

/** Queue, sender, notifier, link, service or proxy session id: 24 random bytes made by routers, up to 255 read. */
export type EntityId = Uint8Array

/** Where a router is and the SHA-256 of its identity certificate: `spec/smp.md §1`. */
export interface SmpServer {
  readonly hosts: readonly [string, ...string[]]
  /** Decimal text, `""` for the default port 5223. */
  readonly port: string
  /** 32 bytes. */
  readonly keyHash: Uint8Array
}

/** A server with the password that creates queues there, as users write it. */
export interface SmpServerWithAuth {
  readonly server: SmpServer
  readonly password?: string
}

/** `M` messaging (its sender secures it with SKEY), `C` contact address. */
export type QueueMode = 'messaging' | 'contact'

/** Encrypted short link data: fixed 2,048 and user 13,824 bytes when made by agents. */
export interface QueueLinkData {
  readonly fixed: Uint8Array
  readonly user: Uint8Array
}

/** What NEW asks for from version 15: `spec/smp.md §3`, queueReq. */
export type QueueRequest =
  | { readonly mode: 'messaging'; readonly data?: { readonly senderId: EntityId; readonly link: QueueLinkData } }
  | {
      readonly mode: 'contact'
      readonly data?: { readonly linkId: EntityId; readonly senderId: EntityId; readonly link: QueueLinkData }
    }

export interface NotifierRequest {
  readonly ntfKey: AuthKey
  readonly ntfDhKey: DhKey
}

/** Commands of clients to routers, versions 6 to 18: `spec/smp.md §3`. */
export type Command =
  | {
      readonly type: 'NEW'
      readonly rcvAuthKey: AuthKey
      readonly rcvDhKey: DhKey
      readonly password?: string
      readonly subscribe: boolean
      /** From version 15 as it is; 9 to 14 send only whether the mode is messaging; below 9 not sent. */
      readonly queueRequest?: QueueRequest
      /** From version 17. */
      readonly notifier?: NotifierRequest
    }
  | { readonly type: 'SUB' | 'SUBS' | 'LDEL' | 'NDEL' | 'GET' | 'OFF' | 'DEL' | 'QUE' }
  | { readonly type: 'KEY'; readonly sndAuthKey: AuthKey }
  | { readonly type: 'RKEY'; readonly rcvAuthKeys: readonly [AuthKey, ...AuthKey[]] }
  | { readonly type: 'LSET'; readonly linkId: EntityId; readonly link: QueueLinkData }
  | { readonly type: 'NKEY'; readonly notifier: NotifierRequest }
  | { readonly type: 'ACK'; readonly msgId: Uint8Array }
  | { readonly type: 'SKEY' | 'LKEY'; readonly sndAuthKey: AuthKey }
  | { readonly type: 'SEND'; readonly notification: boolean; readonly body: Uint8Array }
  | { readonly type: 'PING' | 'LGET' | 'NSUB' | 'NSUBS' }
  | { readonly type: 'PRXY'; readonly server: SmpServer; readonly password?: string }
  | { readonly type: 'PFWD'; readonly version: number; readonly commandKey: DhKey; readonly encrypted: Uint8Array }
  | { readonly type: 'RFWD'; readonly encrypted: Uint8Array }

export type CommandType = Command['type']

/** Messages of routers to clients: `spec/smp.md §4`. */
export type BrokerMessage =
  | {
      readonly type: 'IDS'
      readonly rcvId: EntityId
      readonly sndId: EntityId
      readonly rcvPublicDhKey: DhKey
      readonly queueMode?: QueueMode
      readonly linkId?: EntityId
      readonly serviceId?: EntityId
      readonly notifier?: { readonly notifierId: EntityId; readonly ntfDhKey: DhKey }
    }
  | { readonly type: 'LNK'; readonly sndId: EntityId; readonly link: QueueLinkData }
  | { readonly type: 'SOK'; readonly serviceId?: EntityId }
  | { readonly type: 'SOKS' | 'ENDS'; readonly count: bigint }
  | { readonly type: 'MSG'; readonly msgId: Uint8Array; readonly encrypted: Uint8Array }
  | { readonly type: 'NID'; readonly notifierId: EntityId; readonly ntfDhKey: DhKey }
  | { readonly type: 'NMSG'; readonly nonce: Uint8Array; readonly encrypted: Uint8Array }
  | {
      readonly type: 'PKEY'
      readonly sessionId: Uint8Array
      readonly versions: VersionRange
      /** DER certificates, leaf first. */
      readonly certificates: readonly [Uint8Array, ...Uint8Array[]]
      /** DER of the signed X25519 session key. */
      readonly signedKey: Uint8Array
    }
  | { readonly type: 'PRES' | 'RRES'; readonly encrypted: Uint8Array }
  | { readonly type: 'END' | 'DELD' | 'OK' | 'PONG' }
  | { readonly type: 'INFO'; readonly info: QueueInfo }
  | { readonly type: 'ERR'; readonly error: SmpErrorType }

export type BrokerMessageType = BrokerMessage['type']

/** QUE's answer: `spec/smp.md §4`, INFO JSON. */
export interface QueueInfo {
  readonly qiSnd: boolean
  readonly qiNtf: boolean
  readonly qiSub?: {
    readonly qSubThread: 'noSub' | 'subPending' | 'subThread' | 'prohibitSub'
    /** base64url message id. */
    readonly qDelivered?: string
  }
  readonly qiSize: number
  readonly qiMsg?: { readonly msgId: string; readonly msgTs: string; readonly msgType: 'message' | 'quota' }
}

export type CommandErrorType = 'UNKNOWN' | 'SYNTAX' | 'PROHIBITED' | 'NO_AUTH' | 'HAS_AUTH' | 'NO_ENTITY'

export type HandshakeErrorType = 'PARSE' | 'IDENTITY' | 'BAD_AUTH' | 'BAD_SERVICE'

/** `spec/smp.md §4`, errors, PROXY BROKER TRANSPORT. */
export type TransportErrorType =
  | { readonly type: 'BLOCK' | 'VERSION' | 'LARGE_MSG' | 'SESSION' | 'NO_AUTH' }
  | { readonly type: 'HANDSHAKE'; readonly error: HandshakeErrorType }

export type NetworkErrorType =
  | { readonly type: 'CONNECT' | 'TLS' | 'SUBSCRIBE'; readonly detail: string }
  | { readonly type: 'UNKNOWNCA' | 'FAILED' | 'TIMEOUT' }

export type BrokerErrorType =
  | { readonly type: 'RESPONSE' | 'UNEXPECTED'; readonly detail: string }
  | { readonly type: 'NETWORK'; readonly error?: NetworkErrorType }
  | { readonly type: 'TIMEOUT' | 'HOST' | 'NO_SERVICE' }
  | { readonly type: 'TRANSPORT'; readonly error: TransportErrorType }

export type ProxyErrorType =
  | { readonly type: 'PROTOCOL'; readonly error: SmpErrorType }
  | { readonly type: 'BROKER'; readonly error: BrokerErrorType }
  | { readonly type: 'BASIC_AUTH' | 'NO_SESSION' }

/** Errors of the protocol, as routers send them: `spec/smp.md §4`. */
export type SmpErrorType =
  | {
      readonly type:
        | 'BLOCK'
        | 'SESSION'
        | 'AUTH'
        | 'SERVICE'
        | 'CRYPTO'
        | 'QUOTA'
        | 'NO_MSG'
        | 'LARGE_MSG'
        | 'EXPIRED'
        | 'INTERNAL'
        | 'DUPLICATE_'
    }
  | { readonly type: 'CMD'; readonly error: CommandErrorType }
  | { readonly type: 'PROXY'; readonly error: ProxyErrorType }
  | { readonly type: 'BLOCKED'; readonly reason: 'spam' | 'content'; readonly noticeTtl?: number | null }
  | { readonly type: 'STORE'; readonly detail: string }

/** One command or message with its envelope, before signing or after checking: `spec/smp.md §2.4`. */
export interface Transmission<T> {
  /** 24 bytes for commands, empty for events. */
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly message: T
}
