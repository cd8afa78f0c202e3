import { type CardMessage, decodeCardMessage, encodeCardMessage } from './card-message.ts'
import { CARD_PROTOCOL, type DirectoryHost } from './directory-host.ts'
import { MAX_CARD_MESSAGE } from './limits.ts'

/** A peer answered otherwise than a question is answered. */
export class CardAnswerError extends Error {
  /** `REFUSED` code, when the peer refused. */
  readonly refused: number | undefined

  constructor(message: string, refused?: number) {
    super(message)
    this.name = 'CardAnswerError'
    this.refused = refused
  }
}

type Answer<T extends CardMessage['type']> = Extract<CardMessage, { type: T }>

/**
 * Asks a peer one thing on a channel of its own.
 * @param type what an answer to it must be
 * @param timeout ms, for all of it
 * @throws CardAnswerError when the peer answers otherwise, DecodeError, and whatever keeps the peer from being reached
 */
export async function askPeer<T extends CardMessage['type']>(
  host: DirectoryHost,
  peerId: string,
  question: CardMessage,
  type: T,
  { timeout, signal }: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Answer<T>> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  const channel = await host.openChannel(peerId, CARD_PROTOCOL, { signal: both, maxFrameLength: MAX_CARD_MESSAGE })
  try {
    await channel.write(encodeCardMessage(question), both)
    const body = await channel.read(both)
    if (!body) throw new CardAnswerError('no answer')
    const answer = decodeCardMessage(body)
    if (answer.type === 'refused') throw new CardAnswerError('refused', answer.code)
    if (answer.type !== type) throw new CardAnswerError('another answer than was asked for')
    return answer as Answer<T>
  } finally {
    channel.abort(new Error('asked'))
  }
}
