import type { BrokerMessage, CommandType, EntityId, SmpServer } from '../protocol/index.ts'
import type { SmpClientError } from './errors.ts'

/**
 * What a router sent that no command waits for: `spec/smp.md §9`. Byte strings are views of a received block:
 * copy what is kept for long.
 */
export type ServerTransmission =
  /** MSG, NMSG, END, ENDS, DELD: pushed by the router. */
  | { readonly type: 'event'; readonly entityId: EntityId; readonly message: BrokerMessage }
  /** The answer to a command whose caller no longer waits. */
  | {
      readonly type: 'lateResponse'
      readonly entityId: EntityId
      readonly command: CommandType
      readonly result: BrokerMessage | SmpClientError
    }
  /** A pushed ERR (BLOCKED), something that cannot be read, or an answer to nothing that was asked. */
  | { readonly type: 'error'; readonly entityId: EntityId; readonly error: SmpClientError }

/** What arrived together on one connection, in order, never empty. The session id names the connection. */
export interface ServerTransmissionBatch {
  readonly server: SmpServer
  readonly version: number
  readonly sessionId: Uint8Array
  readonly transmissions: readonly ServerTransmission[]
}
