import { DecodeError, fromBase64url, toBase64url, toHex } from '@parley/core/encoding'

/** How the bytes were written in the input, so that they can be written back the same way. */
export type Notation = 'hex' | 'base64' | 'base64url'

export interface BinaryInput {
  readonly bytes: Uint8Array
  readonly notation: Notation
}

/** Text of an even number of hexadecimal digits only is taken for hexadecimal; base64 hardly ever looks like that. */
const HEX = /^([0-9a-fA-F]{2})*$/

/**
 * Bytes of hexadecimal, base64 or base64url text; white space between is left out, as tools wrap long lines.
 * @throws DecodeError with the offset in characters, white space not counted
 */
export function readBinary(text: string): BinaryInput {
  const compact = text.replace(/\s+/g, '')
  if (compact === '') throw new DecodeError('empty input', 0)
  if (HEX.test(compact)) return { bytes: new Uint8Array(Buffer.from(compact, 'hex')), notation: 'hex' }
  const stray = compact.search(/[^A-Za-z0-9+/_=-]/)
  if (stray >= 0) throw new DecodeError('neither hexadecimal nor base64', stray)
  const notation = /[+/]/.test(compact) ? 'base64' : 'base64url'
  const bytes = new Uint8Array(fromBase64url(compact.replaceAll('+', '-').replaceAll('/', '_')))
  return { bytes, notation }
}

/** The text of {@link readBinary}. */
export function writeBinary(bytes: Uint8Array, notation: Notation): string {
  switch (notation) {
    case 'hex':
      return toHex(bytes)
    case 'base64':
      return Buffer.from(bytes).toString('base64')
    case 'base64url':
      return toBase64url(bytes)
  }
}
