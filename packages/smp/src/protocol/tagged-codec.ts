import { type ByteReader, type ByteWriter, type Codec, DecodeError } from '@parley/core/encoding'
import type { ProtocolContext } from './versions.ts'

const SPACE = 0x20
/** The longest tags have 4 characters; anything longer is unknown. */
const MAX_TAG_LENGTH = 4

/** The tag of a command or message is none that this side knows: `CMD UNKNOWN` where others are `CMD SYNTAX`. */
export class UnknownTagError extends DecodeError {
  constructor(offset: number) {
    super('unknown command', offset)
    this.name = 'UnknownTagError'
  }
}

/** What follows the tag of one kind of message. `encode` and `decode` start behind the space. */
export interface Parameters<M> {
  encode(writer: ByteWriter, message: M, version: number): void
  decode(reader: ByteReader, version: number): M
}

/** A message that is its tag alone. */
export const NO_PARAMETERS = 'no parameters'

/** For each tag its parameters. */
export type TagTable<M extends { readonly type: string }> = {
  readonly [T in M['type']]: Parameters<M & { readonly type: T }> | typeof NO_PARAMETERS
}

/** Layout of the parameters of the message with type `T`. */
export function parameters<M extends { readonly type: string }, T extends M['type']>(
  encode: (writer: ByteWriter, message: M & { readonly type: T }, version: number) => void,
  decode: (reader: ByteReader, version: number) => M & { readonly type: T },
): Parameters<M & { readonly type: T }> {
  return { encode, decode }
}

function readTag(reader: ByteReader): string {
  let tag = ''
  for (;;) {
    const byte = reader.peek()
    if (byte === undefined || byte === SPACE || tag.length > MAX_TAG_LENGTH) return tag
    tag += String.fromCharCode(reader.byte())
  }
}

/**
 * The layout that commands and messages share: tag, then, if it has parameters, a space and these.
 * @param downgrade what is sent instead to a peer of an older version
 */
export function taggedCodec<M extends { readonly type: string }>(
  table: TagTable<M>,
  downgrade: (message: M, version: number) => M = (message) => message,
): Codec<M, ProtocolContext> {
  const layouts = new Map(Object.entries(table) as [string, Parameters<M> | typeof NO_PARAMETERS][])
  return {
    encode(writer, original, { version }) {
      const message = downgrade(original, version)
      const layout = layouts.get(message.type)
      if (layout === undefined) throw new TypeError('message of an unknown type')
      writer.literal(message.type)
      if (layout === NO_PARAMETERS) return
      writer.byte(SPACE)
      layout.encode(writer, message, version)
    },
    decode(reader, { version }) {
      const at = reader.offset
      const tag = readTag(reader)
      const layout = layouts.get(tag)
      if (layout === undefined) throw new UnknownTagError(at)
      if (layout === NO_PARAMETERS) return { type: tag } as M
      reader.literal(' ')
      return layout.decode(reader, version)
    },
  }
}
