import type { AcnClientEvent } from '@parley/acn/client'
import { decodeText } from './text-message.ts'

/** A message that came. When the next one is asked for, the application is done with this one. */
export interface ParleyMessage {
  /** Its id, as its sender's {@link Parley.send} gave it; absent when it came from a peer that has none. */
  readonly id: string | undefined
  /** Proven ledger address of the sender. */
  readonly from: string
  /** Of a text message, or of UTF-8 bytes; undefined when the bytes are neither. */
  readonly text: string | undefined
  /** The envelope's message as it is. */
  readonly bytes: Uint8Array
  readonly protocolId: string
  /** `private`: nobody on the way could read it. */
  readonly way: 'private' | 'plain'
  /** The application is done with it: for one that asks for no more. What is not, is given again at the next start. */
  done(): void
}

/** A message that could not be delivered. */
export type NotDeliveredMessage = Extract<AcnClientEvent, { type: 'notDelivered' }>

/** What of an attached agent's events is for the application. */
export interface MessageStreamOptions {
  /** Called while messages are read. */
  readonly onNotDelivered: (event: NotDeliveredMessage) => void
}

/** The messages among the events of an agent that acknowledges by itself, in order of each sender. */
export async function* messagesOf(
  events: AsyncIterable<AcnClientEvent>,
  { onNotDelivered }: MessageStreamOptions,
): AsyncGenerator<ParleyMessage, void, void> {
  for await (const event of events) {
    if (event.type === 'notDelivered') onNotDelivered(event)
    if (event.type !== 'envelope') continue
    const { id } = event
    const { sender, protocolId, message } = event.envelope
    const done = () => event.acknowledge()
    const text = decodeText(protocolId, message)
    yield { id, from: sender, text, bytes: message, protocolId, way: event.isCarried ? 'private' : 'plain', done }
    done()
  }
}
