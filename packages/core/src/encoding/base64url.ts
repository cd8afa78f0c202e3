import { DecodeError } from './decode-error.ts'

const ALPHABET = /^[A-Za-z0-9_-]*={0,2}$/

/** base64url text with `=` padding: the "str" encoding of byte strings, `spec/smp.md §1`. */
export function toBase64url(bytes: Uint8Array): string {
  const text = toBase64urlUnpadded(bytes)
  return text + '='.repeat((4 - (text.length % 4)) % 4)
}

/** base64url text without padding, as short links use it: `spec/agent.md §2.4`. */
export function toBase64urlUnpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * Bytes of base64url text with or without padding; empty text is refused.
 * @param offset position of the text in a larger input, for the error
 * @throws DecodeError
 */
export function fromBase64url(text: string, offset = 0): Uint8Array {
  if (text.length === 0) throw new DecodeError('base64url text is empty', offset)
  if (!ALPHABET.test(text)) throw new DecodeError('not base64url', offset)
  const data = text.replace(/=+$/, '')
  if (text.length !== data.length && text.length % 4 !== 0) throw new DecodeError('wrong base64url padding', offset)
  if (data.length % 4 === 1) throw new DecodeError('wrong base64url length', offset)
  const bytes = Buffer.from(data, 'base64url')
  // Bits after the last byte must be zero, so that one value has one text.
  if (data.length % 4 !== 0 && bytes.toString('base64url') !== data)
    throw new DecodeError('base64url not canonical', offset)
  return bytes
}
