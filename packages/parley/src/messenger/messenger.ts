import type { ParleyMessage } from '../message-stream.ts'
import type { FoundAnswer } from '../node/control-handlers.ts'
import type { EnvelopeTrace } from '../node/envelope-trace.ts'

/** An identity that sends and gets messages: by a node of its own, or by one that runs on its data folder. */
export interface Messenger extends AsyncDisposable {
  readonly address: string
  /** True when a node that runs anyway goes on with what is pending. */
  readonly isServed: boolean
  /** Whether an address can be reached in private, and how sure it is; undefined when no contact card is found. */
  find(address: string, signal: AbortSignal): Promise<FoundAnswer | undefined>
  /**
   * Sends a text, or bytes of the application's own, durably.
   * @returns the message's id
   * @throws ParleyError REFUSED; the signal's reason
   */
  send(to: string, message: string | Uint8Array, signal: AbortSignal): Promise<string>
  /** Where a message is. */
  trace(id: string): Promise<EnvelopeTrace | undefined>
  /** What comes, in order of each sender. */
  messages(): AsyncIterable<ParleyMessage>
}
