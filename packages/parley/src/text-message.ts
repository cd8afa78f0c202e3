import { randomBytes } from 'node:crypto'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** Protocol of texts: the one that autonomous agents of all kinds understand, its `bytes` performative. */
export const TEXT_PROTOCOL = 'fetchai/default:1.0.0'

/**
 * The message of a text, as the AEA framework writes one that begins a dialogue:
 *
 * ```proto
 * message Message { DialogueMessage dialogue_message = 2; }
 * message DialogueMessage { int32 message_id = 1; string dialogue_starter_reference = 2; bytes content = 5; }
 * message DefaultMessage { message Bytes { bytes content = 1; }  Bytes bytes = 5; }
 * ```
 */
export function encodeText(text: string): Uint8Array {
  const bytes = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(Buffer.from(text, 'utf8')).finish()
  const content = new BinaryWriter().tag(5, WireType.LengthDelimited).bytes(bytes).finish()
  const dialogue = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(1)
    .tag(2, WireType.LengthDelimited)
    .string(randomBytes(32).toString('hex'))
    .tag(5, WireType.LengthDelimited)
    .bytes(content)
    .finish()
  return new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(dialogue).finish()
}

/**
 * The text of a message: of a text message, or of bytes that are UTF-8; undefined when it is neither, such as another
 * message of the same protocol.
 */
export function decodeText(protocolId: string, message: Uint8Array): string | undefined {
  const dialogue = protocolId === TEXT_PROTOCOL ? fieldOf(message, 2) : undefined
  const content = dialogue ? contentOf(dialogue) : message
  try {
    return content && new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return undefined
  }
}

function contentOf(dialogue: Uint8Array): Uint8Array | undefined {
  const message = fieldOf(dialogue, 5)
  const bytes = message && fieldOf(message, 5)
  // A field without contents is left out.
  return bytes && (fieldOf(bytes, 1) ?? new Uint8Array())
}

/** The last field of this number that holds bytes; undefined when there is none, or these are no fields. */
function fieldOf(message: Uint8Array, wanted: number): Uint8Array | undefined {
  let found: Uint8Array | undefined
  try {
    const reader = new BinaryReader(message)
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      if (field === wanted && type === WireType.LengthDelimited) found = reader.bytes()
      else reader.skip(type, field)
    }
    return found
  } catch {
    return undefined
  }
}
