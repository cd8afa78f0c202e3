import type { BinaryReadOptions } from '@bufbuild/protobuf'
import { DecodeError } from '@parley/core/encoding'

/**
 * How everything from outside is read. Fields that this program does not know are skipped, not kept: one of two bytes
 * would otherwise become an object of some hundred. Envelopes are passed on as the bytes they came in, so theirs survive.
 * Nothing here is nested deeper than three messages.
 */
export const READ_OPTIONS: Partial<BinaryReadOptions> = { readUnknownFields: false, recursionLimit: 8 }

/**
 * Runs a protobuf reader; whatever it throws becomes a {@link DecodeError} that does not repeat the reader's text, which
 * may quote the input.
 */
export function decodeProtobuf<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError(`${what} is not valid protobuf`, 0)
  }
}
