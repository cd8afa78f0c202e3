import type { BrokerErrorType, SmpErrorType } from '@parley/smp/protocol'

/** The call is not allowed or not possible as it was made: `spec/agent.md §13`. */
export type CommandErrorType = 'PROHIBITED' | 'SYNTAX' | 'NO_CONN' | 'SIZE' | 'LARGE'

/** The connection does not exist, exists already or is not in the needed state. */
export type ConnectionErrorType = 'NOT_FOUND' | 'DUPLICATE' | 'SIMPLEX' | 'NOT_ACCEPTED' | 'NOT_AVAILABLE'

/** Why a message could not be decrypted; `count` is how far its number is from the expected one. */
export type AgentCryptoError =
  | { readonly type: 'DECRYPT_AES' | 'DECRYPT_CB' | 'RATCHET_HEADER' | 'RATCHET_SYNC' }
  | { readonly type: 'RATCHET_EARLIER' | 'RATCHET_SKIPPED'; readonly count: number }

/** A message that was dropped after too many attempts to receive it. */
export interface DroppedMessage {
  readonly brokerTs: Date
  readonly attempts: number
}

/** Faults of what the other agent sent. */
export type PeerErrorType =
  | { readonly type: 'A_MESSAGE' | 'A_VERSION' }
  | { readonly type: 'A_PROHIBITED' | 'A_LINK' | 'A_QUEUE'; readonly detail: string }
  | { readonly type: 'A_CRYPTO'; readonly error: AgentCryptoError }
  | { readonly type: 'A_DUPLICATE'; readonly dropped?: DroppedMessage }

/** Errors between a client, its proxy and the relay behind it. */
export type ProxyClientErrorType =
  | { readonly type: 'PROTOCOL' | 'RESPONSE'; readonly error: SmpErrorType }
  | { readonly type: 'UNEXPECTED'; readonly detail: string }

/** Errors of files received and sent by the agent. */
export type FileErrorType =
  | { readonly type: 'NOT_APPROVED' | 'SIZE' | 'NO_FILE' }
  | { readonly type: 'REDIRECT' | 'FILE_IO'; readonly detail: string }

/** Every error that the agent reports, `spec/agent.md §13`. Server fields are addresses as text. */
export type AgentErrorType =
  | { readonly type: 'CMD'; readonly error: CommandErrorType; readonly context: string }
  | { readonly type: 'CONN'; readonly error: ConnectionErrorType; readonly context: string }
  | { readonly type: 'NO_USER' | 'INACTIVE' }
  | { readonly type: 'SMP' | 'NTF'; readonly server: string; readonly error: SmpErrorType }
  | { readonly type: 'PROXY'; readonly proxy: string; readonly relay: string; readonly error: ProxyClientErrorType }
  | { readonly type: 'BROKER'; readonly server: string; readonly error: BrokerErrorType }
  | { readonly type: 'AGENT'; readonly error: PeerErrorType }
  | { readonly type: 'FILE'; readonly error: FileErrorType }
  | { readonly type: 'NOTICE'; readonly server: string; readonly preset: boolean; readonly expiresAt?: Date }
  | { readonly type: 'INTERNAL'; readonly detail: string }
  | { readonly type: 'CRITICAL'; readonly offerRestart: boolean; readonly detail: string }
