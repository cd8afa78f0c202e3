import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError } from '@parley/core/encoding'
import { MAX_CARD_IN_MESSAGE, MAX_CARD_MESSAGE, MAX_CARDS_IN_ANSWER, MAX_PEERS_IN_LIST } from './limits.ts'

/**
 * What peers and agents say to each other about cards, one message to a frame or an envelope.
 *
 * ```proto
 * message CardMessage {
 *   oneof body {
 *     Request request = 1;
 *     Answer answer = 2;
 *     Publish publish = 3;
 *     Published published = 4;
 *     Relay relay = 5;
 *     Sealed sealed = 6;
 *     AskPeers ask_peers = 7;
 *     Peers peers = 8;
 *     Refused refused = 9;
 *   }
 * }
 * message Request { string address = 1; }
 * message Answer { repeated bytes signed_cards = 1; }     // at most 2
 * message Publish { bytes signed_card = 1; }
 * message Published { uint32 code = 1; }                  // PUBLISHED
 * message Relay { string peer_id = 1; bytes sealed = 2; }
 * message Sealed { bytes sealed = 1; }                    // seal.ts
 * message AskPeers {}
 * message Peers { repeated string peer_ids = 1; }         // at most 32
 * message Refused { uint32 code = 1; }                    // REFUSED
 * ```
 * Fields that are not known are skipped. Cards are not looked at here.
 */
export type CardMessage =
  | { readonly type: 'request'; readonly address: string }
  | { readonly type: 'answer'; readonly cards: readonly Uint8Array[] }
  | { readonly type: 'publish'; readonly card: Uint8Array }
  | { readonly type: 'published'; readonly code: number }
  | { readonly type: 'relay'; readonly peerId: string; readonly sealed: Uint8Array }
  | { readonly type: 'sealed'; readonly sealed: Uint8Array }
  | { readonly type: 'askPeers' }
  | { readonly type: 'peers'; readonly peerIds: readonly string[] }
  | { readonly type: 'refused'; readonly code: number }

/** What became of a card that was published: `code` of Published. */
export const PUBLISHED = {
  stored: 0,
  /** This very card is there already. */
  known: 1,
  /** A newer card of the address is there, or another one of the same sequence. */
  notNewer: 2,
  /** The card proves nothing. */
  invalid: 3,
  /** The agent is not registered here. */
  notRegistered: 4,
  /** No more cards are taken. */
  full: 5,
} as const

/** Why a message is not answered: `code` of Refused. */
export const REFUSED = {
  /** The message cannot be read, or is none that is answered. */
  malformed: 1,
  /** Too much at once, or too fast. */
  busy: 2,
  /** The peer to which a sealed question should go did not answer. */
  unreachable: 3,
} as const

const MAX_ADDRESS = 256
const MAX_PEER_ID = 64

/** The protobuf bytes of a message. */
export function encodeCardMessage(message: CardMessage): Uint8Array {
  const [field, body] = bodyOf(message)
  return new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(body.finish()).finish()
}

function bodyOf(message: CardMessage): [field: number, body: BinaryWriter] {
  const body = new BinaryWriter()
  const texts = (field: number, values: readonly string[]) => {
    for (const value of values) body.tag(field, WireType.LengthDelimited).string(value)
  }
  const bytes = (field: number, values: readonly Uint8Array[]) => {
    for (const value of values) body.tag(field, WireType.LengthDelimited).bytes(value)
  }
  switch (message.type) {
    case 'request':
      texts(1, [message.address])
      return [1, body]
    case 'answer':
      bytes(1, message.cards)
      return [2, body]
    case 'publish':
      bytes(1, [message.card])
      return [3, body]
    case 'published':
      return [4, body.tag(1, WireType.Varint).uint32(message.code)]
    case 'relay':
      texts(1, [message.peerId])
      bytes(2, [message.sealed])
      return [5, body]
    case 'sealed':
      bytes(1, [message.sealed])
      return [6, body]
    case 'askPeers':
      return [7, body]
    case 'peers':
      texts(1, message.peerIds)
      return [8, body]
    case 'refused':
      return [9, body.tag(1, WireType.Varint).uint32(message.code)]
  }
}

/**
 * The message that these bytes hold.
 * @throws DecodeError when they hold none, or one that is too large
 */
export function decodeCardMessage(bytes: Uint8Array): CardMessage {
  if (bytes.length > MAX_CARD_MESSAGE) throw new DecodeError('message about cards is too long', 0)
  try {
    return readMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) throw error
    // The reader's own text may quote the input.
    throw new DecodeError('message about cards is not valid protobuf', 0)
  }
}

function readMessage(bytes: Uint8Array): CardMessage {
  const reader = new BinaryReader(bytes)
  let message: CardMessage | undefined
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    const read = type === WireType.LengthDelimited ? READERS[field] : undefined
    if (!read) {
      reader.skip(type, field)
      continue
    }
    if (message) throw new DecodeError('two messages about cards in one', 0)
    message = read(new Body(reader.bytes()))
  }
  return message ?? fail('no message about cards')
}

const READERS: Readonly<Record<number, (body: Body) => CardMessage>> = {
  1: (body) => ({ type: 'request', address: bounded(body.text(1), MAX_ADDRESS) }),
  2: (body) => ({ type: 'answer', cards: body.all(1, MAX_CARDS_IN_ANSWER).map(boundedCard) }),
  3: (body) => ({ type: 'publish', card: boundedCard(body.bytes(1)) }),
  4: (body) => ({ type: 'published', code: body.number(1) }),
  5: (body) => ({ type: 'relay', peerId: bounded(body.text(1), MAX_PEER_ID), sealed: body.bytes(2) }),
  6: (body) => ({ type: 'sealed', sealed: body.bytes(1) }),
  7: () => ({ type: 'askPeers' }),
  8: (body) => ({ type: 'peers', peerIds: body.all(1, MAX_PEERS_IN_LIST).map((id) => bounded(utf8(id), MAX_PEER_ID)) }),
  9: (body) => ({ type: 'refused', code: body.number(1) }),
}

/** The fields of a message in the message; of a repeated one that should not be the last counts. */
class Body {
  readonly #bytes = new Map<number, Uint8Array[]>()
  readonly #numbers = new Map<number, number>()

  constructor(bytes: Uint8Array) {
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      if (type === WireType.LengthDelimited) {
        const values = this.#bytes.get(field) ?? []
        values.push(Uint8Array.from(reader.bytes()))
        this.#bytes.set(field, values)
      } else if (type === WireType.Varint) this.#numbers.set(field, Number(reader.uint64()) >>> 0)
      else reader.skip(type, field)
    }
  }

  all(field: number, limit: number): readonly Uint8Array[] {
    const values = this.#bytes.get(field) ?? []
    return values.length <= limit ? values : fail('too many of one thing in a message about cards')
  }

  bytes(field: number): Uint8Array {
    return this.#bytes.get(field)?.at(-1) ?? new Uint8Array()
  }

  text(field: number): string {
    return utf8(this.bytes(field))
  }

  number(field: number): number {
    return this.#numbers.get(field) ?? 0
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string {
  return UTF8.decode(bytes)
}

function bounded(text: string, limit: number): string {
  return text.length > 0 && text.length <= limit ? text : fail('name of a wrong length in a message about cards')
}

function boundedCard(bytes: Uint8Array): Uint8Array {
  return bytes.length <= MAX_CARD_IN_MESSAGE ? bytes : fail('too long a card')
}

function fail(text: string): never {
  throw new DecodeError(text, 0)
}
