import { DecodeError } from './decode-error.ts'
import { EncodeError } from './writer.ts'

const FILL = 0x23

/** Bytes that padding adds at least: the two-byte length. */
export const PAD_OVERHEAD = 2

/** Largest content that can be padded, in bytes. */
export const MAX_PADDED_CONTENT = 65533

/**
 * Two-byte length, content, `#` up to `length` bytes: `spec/smp.md §1`, Padding.
 * @throws EncodeError when the content does not fit
 */
export function pad(content: Uint8Array, length: number): Uint8Array {
  if (content.length > MAX_PADDED_CONTENT || content.length + PAD_OVERHEAD > length) {
    throw new EncodeError(`content of ${content.length} bytes does not fit ${length} padded bytes`)
  }
  const padded = Buffer.allocUnsafe(length)
  padded.writeUInt16BE(content.length, 0)
  padded.set(content, PAD_OVERHEAD)
  padded.fill(FILL, PAD_OVERHEAD + content.length)
  return padded
}

/**
 * The content of padded bytes, as a view. What fills the rest is not looked at.
 * @throws DecodeError
 */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < PAD_OVERHEAD) throw new DecodeError('padded bytes without a length', 0)
  const length = ((padded[0] as number) << 8) | (padded[1] as number)
  if (length > padded.length - PAD_OVERHEAD) throw new DecodeError('length exceeds the padded bytes', 0)
  return padded.subarray(PAD_OVERHEAD, PAD_OVERHEAD + length)
}
