import type { AgentError, RatchetSyncState } from './agent-error.ts'
import type { MsgIntegrity } from './integrity.ts'
import type { MessageState, StatusReason } from './message-status.ts'

/** What the peer says of a message that it received: `spec/agent.md §6`. */
export interface MsgReceipt {
  /** Id that sendMessage returned. */
  readonly msgId: number
  /** `ok`, or `badMsgHash` when the peer received something else under this message's number. */
  readonly status: 'ok' | 'badMsgHash'
}

/** A queue of a connection deleted at its router, or given up. */
export interface DeletedRcvQueue {
  readonly connId: string
  /** Address of the router. */
  readonly server: string
  readonly error?: AgentError
}

/**
 * Everything that an application reads from its agent: `spec/agent.md §12`. `connId` is base64url of 12 bytes,
 * `server` a router's address.
 */
export type AgentEvent =
  /** Somebody used the invitation; answer with allowConnection. */
  | {
      readonly event: 'CONF'
      readonly connId: string
      readonly confId: string
      readonly info: Uint8Array
      readonly pq: boolean
      /** Routers at which the peer receives. */
      readonly servers: readonly string[]
    }
  /** Somebody used the contact address; answer with acceptContact or rejectContact. */
  | {
      readonly event: 'REQ'
      readonly connId: string
      readonly invId: string
      readonly info: Uint8Array
      readonly pq: boolean
      readonly servers: readonly string[]
      /** Names the keys that the request brings, 32 bytes: what its `info` signs can be bound to them. */
      readonly keyAgreement: Uint8Array
    }
  /** What the peer's application says about itself. */
  | { readonly event: 'INFO'; readonly connId: string; readonly info: Uint8Array; readonly pq: boolean }
  /** The connection is established; `pq` tells whether post-quantum encryption is on. */
  | { readonly event: 'CON'; readonly connId: string; readonly pq: boolean }
  /** The router has stored the message. */
  | { readonly event: 'SENT'; readonly connId: string; readonly msgId: number }
  /** A message; it is repeated with the same `msgId` until ackMessage. */
  | {
      readonly event: 'MSG'
      readonly connId: string
      readonly msgId: number
      readonly integrity: MsgIntegrity
      readonly body: Uint8Array
      readonly pq: boolean
      /** When the router got it. */
      readonly brokerTs: Date
      /** The sender asked for a notification. */
      readonly notification: boolean
    }
  /** The peer has received messages; acknowledge with ackMessage, like a message. */
  | {
      readonly event: 'RCVD'
      readonly connId: string
      readonly msgId: number
      readonly integrity: MsgIntegrity
      readonly receipts: readonly [MsgReceipt, ...MsgReceipt[]]
      readonly brokerTs: Date
    }
  /** The message could not be sent yet; the agent goes on trying. */
  | { readonly event: 'MWARN'; readonly connId: string; readonly msgId: number; readonly error: AgentError }
  /** The message will not be sent. */
  | { readonly event: 'MERR'; readonly connId: string; readonly msgId: number; readonly error: AgentError }
  /** These messages will not be sent. */
  | { readonly event: 'MERRS'; readonly connId: string; readonly msgIds: readonly number[]; readonly error: AgentError }
  /** The state of a sent message has changed: see messageStatus. */
  | {
      readonly event: 'STATUS'
      readonly connId: string
      readonly msgId: number
      readonly state: MessageState
      readonly reason?: StatusReason
    }
  /** The peer has read its full queue: sending goes on. */
  | { readonly event: 'QCONT'; readonly connId: string }
  /** A failure that no call reports. */
  | { readonly event: 'ERR'; readonly connId?: string; readonly error: AgentError }
  /** Failures to subscribe, one a connection. */
  | { readonly event: 'ERRS'; readonly errors: readonly { readonly connId: string; readonly error: AgentError }[] }
  /** Another client of the same queues has taken the subscription. */
  | { readonly event: 'END'; readonly connId: string }
  /** The router has deleted the queue. */
  | { readonly event: 'DELD'; readonly connId: string }
  | { readonly event: 'CONNECT'; readonly server: string }
  | { readonly event: 'DISCONNECT'; readonly server: string }
  /** Connections are subscribed again. */
  | { readonly event: 'UP'; readonly server: string; readonly connIds: readonly string[] }
  /** Connections have lost their router. */
  | { readonly event: 'DOWN'; readonly server: string; readonly connIds: readonly string[] }
  /** The ratchets of both sides have come apart, or are in step again. */
  | {
      readonly event: 'RSYNC'
      readonly connId: string
      readonly state: RatchetSyncState
      readonly error?: AgentError
    }
  /** Queues of deleted connections were deleted at their routers. */
  | { readonly event: 'DEL_RCVQS'; readonly queues: readonly DeletedRcvQueue[] }
  /** Nothing is left of these connections. */
  | { readonly event: 'DEL_CONNS'; readonly connIds: readonly string[] }

export type AgentEventName = AgentEvent['event']

/** The event with this name. */
export type AgentEventOf<N extends AgentEventName> = Extract<AgentEvent, { readonly event: N }>
