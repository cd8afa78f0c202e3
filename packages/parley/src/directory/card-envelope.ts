import type { Envelope } from '@parley/acn/protocol'
import { type CardMessage, decodeCardMessage, encodeCardMessage } from './card-message.ts'

/** Protocol id of envelopes in which agents ask each other for cards, where no Parley peer is on the way. */
export const CARD_ENVELOPE_PROTOCOL = 'parley/card:1.0.0'

/** What can be said in an envelope: the rest is between peers. */
export type AgentCardMessage = Extract<
  CardMessage,
  { type: 'request' | 'answer' | 'publish' | 'published' | 'refused' }
>

/** An envelope with a message about cards. */
export function cardEnvelope(to: string, sender: string, message: AgentCardMessage): Envelope {
  return { to, sender, protocolId: CARD_ENVELOPE_PROTOCOL, message: encodeCardMessage(message), uri: '' }
}

/**
 * The message about cards in an envelope; undefined when the envelope is of another protocol.
 * @throws DecodeError when it should be one and is not
 */
export function readCardEnvelope({ protocolId, message }: Envelope): CardMessage | undefined {
  return protocolId === CARD_ENVELOPE_PROTOCOL ? decodeCardMessage(message) : undefined
}
