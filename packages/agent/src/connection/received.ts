import type { ClientMessage } from '@parley/smp/protocol'
import type { AgentEnvelope } from '../protocol/index.ts'
import type { ConnectionRecord, RcvQueueRecord } from '../store/records.ts'
import type { MessageRef } from './ack.ts'

/** A message as the router delivers it. */
export interface RouterMessage {
  /** 24 bytes. */
  readonly msgId: Uint8Array
  readonly encrypted: Uint8Array
}

/** A received message on its way through the layers. */
export interface Received {
  readonly connection: ConnectionRecord
  readonly queue: RcvQueueRecord
  readonly ref: MessageRef
  /** When the router got it, milliseconds since 1970. */
  readonly brokerTs: number
  readonly notification: boolean
}

/** The inside of the sender's box. */
export interface OpenedEnvelope {
  readonly envelope: AgentEnvelope
  /** Client version of the sender. */
  readonly clientVersion: number
  readonly message: ClientMessage
  /** Of both sides' keys for the queue, 32 bytes. */
  readonly secret: Uint8Array
}
