import { ByteReader, ByteWriter, DecodeError, EncodeError } from '@parley/core/encoding'
import {
  decodeBrokerMessage,
  decodeCommand,
  type ReceivedCommand,
  type ReceivedMessage,
  type Refused,
  type SessionContext,
  type SignedTransmission,
  transmissionLength,
  writeTransmission,
} from './transmission.ts'

/**
 * Bytes that the transmissions of one block may take with their lengths: 16,384 less 2 for the padding's length,
 * 1 for the count and 16 for the tag of an encrypted block: `spec/smp.md §2.4`.
 */
export const MAX_BATCH_LENGTH = 16365

const MAX_BATCH_COUNT = 255
const LENGTH_SIZE = 2

/** A block's content and which of the packed transmissions are in it: `count` of them from index `first`. */
export interface PackedBlock {
  readonly type: 'block'
  readonly content: Uint8Array
  readonly first: number
  readonly count: number
}

/** The transmission at `index` is larger than a block; the others are packed without it. */
export interface LargeTransmission {
  readonly type: 'large'
  readonly index: number
}

/**
 * The content of one block with all the given transmissions.
 * @throws EncodeError when they do not fit or there is none
 */
export function encodeBatch(transmissions: readonly SignedTransmission[], version: number): Uint8Array {
  const length = transmissions.reduce((sum, item) => sum + LENGTH_SIZE + transmissionLength(item, version), 0)
  if (length > MAX_BATCH_LENGTH) throw new EncodeError(`batch of ${length} bytes, at most ${MAX_BATCH_LENGTH}`)
  if (transmissions.length === 0 || transmissions.length > MAX_BATCH_COUNT) {
    throw new EncodeError(`batch of ${transmissions.length} transmissions, 1 to ${MAX_BATCH_COUNT}`)
  }
  const writer = new ByteWriter(1 + length).byte(transmissions.length)
  for (const item of transmissions) {
    writeTransmission(writer.word16(transmissionLength(item, version)), item, version)
  }
  return writer.finish()
}

/**
 * Packs transmissions into as few blocks as their order allows. Packs from the right, as the originals do, so that
 * the first block is the one with room left. The result is in the order of the transmissions.
 */
export function packTransmissions(
  transmissions: readonly SignedTransmission[],
  version: number,
): (PackedBlock | LargeTransmission)[] {
  const packed: (PackedBlock | LargeTransmission)[] = []
  let end = transmissions.length
  let length = 0
  const flush = (first: number): void => {
    if (first < end) {
      const content = encodeBatch(transmissions.slice(first, end), version)
      packed.push({ type: 'block', content, first, count: end - first })
    }
    end = first
    length = 0
  }
  for (let index = transmissions.length - 1; index >= 0; index--) {
    const item = transmissions[index] as SignedTransmission
    const itemLength = LENGTH_SIZE + transmissionLength(item, version)
    if (itemLength > MAX_BATCH_LENGTH) {
      flush(index + 1)
      packed.push({ type: 'large', index })
      end = index
      continue
    }
    if (length + itemLength > MAX_BATCH_LENGTH || end - index > MAX_BATCH_COUNT) flush(index + 1)
    length += itemLength
  }
  flush(0)
  return packed.reverse()
}

/** The transmissions of a block's content, as views. @throws DecodeError also for an empty batch or trailing bytes */
export function decodeBatch(content: Uint8Array): [Uint8Array, ...Uint8Array[]] {
  const reader = new ByteReader(content)
  const transmissions = reader.nonEmpty((r) => r.large())
  reader.expectEnd()
  return transmissions
}

function decodeBlock<T>(content: Uint8Array, decodeOne: (bytes: Uint8Array) => T): (T | Refused)[] {
  let transmissions: Uint8Array[]
  try {
    transmissions = decodeBatch(content)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return [{ ok: false, corrId: new Uint8Array(), entityId: new Uint8Array(), error: { type: 'BLOCK' } }]
  }
  return transmissions.map(decodeOne)
}

/**
 * The commands of a block, each decoded or refused on its own; a block that is no batch is one refusal with BLOCK.
 * Never throws for input from outside.
 */
export function decodeCommandBlock(content: Uint8Array, session: SessionContext): (ReceivedCommand | Refused)[] {
  return decodeBlock(content, (bytes) => decodeCommand(bytes, session))
}

/** The messages of a router's block, each decoded or refused on its own. Never throws for input from outside. */
export function decodeBrokerBlock(content: Uint8Array, session: SessionContext): (ReceivedMessage | Refused)[] {
  return decodeBlock(content, (bytes) => decodeBrokerMessage(bytes, session))
}
