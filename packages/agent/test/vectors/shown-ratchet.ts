import assert from 'node:assert/strict'
import type { Ratchet } from '@parley/agent/ratchet'
import { PrivateKey, PublicKey } from '@parley/core/crypto'

const CONTROL = [
  ...['NUL', 'SOH', 'STX', 'ETX', 'EOT', 'ENQ', 'ACK', 'BEL', 'BS', 'HT', 'LF', 'VT', 'FF', 'CR', 'SO', 'SI', 'DLE'],
  ...['DC1', 'DC2', 'DC3', 'DC4', 'NAK', 'SYN', 'ETB', 'CAN', 'EM', 'SUB', 'ESC', 'FS', 'GS', 'RS', 'US', 'SP'],
]
const LETTERS: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 }
// Longer names come first: SOH is not SO and H.
const ESCAPE = new RegExp(
  `\\\\(&|\\d+|DEL|${[...CONTROL].sort((a, b) => b.length - a.length).join('|')}|[abtnvfr"\\\\])`,
  'g',
)
const STRING = '"((?:[^"\\\\]|\\\\.)*)"'

/** Bytes of a string literal as Haskell shows it. */
function literalBytes(literal: string): Uint8Array {
  const text = literal.replace(ESCAPE, (_, code: string) => {
    if (code === '&') return ''
    if (/^\d/.test(code)) return String.fromCharCode(Number(code))
    if (code === 'DEL') return '\x7f'
    const control = CONTROL.indexOf(code)
    return String.fromCharCode(control >= 0 ? control : (LETTERS[code] ?? assert.fail('unknown escape')))
  })
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

function field(shown: string, pattern: string): string | undefined {
  return new RegExp(pattern, 's').exec(shown)?.[1]
}

function bytes(shown: string, pattern: string): Uint8Array {
  return literalBytes(field(shown, pattern) ?? assert.fail(`no ${pattern.slice(0, 12)}`))
}

function word(shown: string, name: string): number {
  return Number(field(shown, `${name} = (\\d+)`) ?? assert.fail(`no ${name}`))
}

function flag(shown: string, name: string): boolean {
  return (field(shown, `${name} = \\w+ {\\w+ = (True|False)}`) ?? assert.fail(`no ${name}`)) === 'True'
}

/**
 * The ratchet in a log of the original, which leaves private keys out: messages that need them cannot be decrypted,
 * but every header and every message of the current receiving chain can.
 */
export function readShownRatchet(shown: string): Ratchet {
  const version = (name: string) => Number(field(shown, `${name} = Version (\\d+)`) ?? assert.fail(`no ${name}`))
  const headerKey = (name: string) => bytes(shown, `${name} = Key {unKey = ${STRING}}`)
  const chainKey = (name: string) => bytes(shown, `${name} = RatchetKey ${STRING}`)
  const dhKey = PrivateKey.generate('x448')
  return {
    versions: { current: version('current'), maxSupported: version('maxSupported') },
    associatedData: bytes(shown, `rcAD = Str {unStr = ${STRING}}`),
    dhKey,
    supportKem: flag(shown, 'rcSupportKEM'),
    enableKem: flag(shown, 'rcEnableKEM'),
    sndKem: flag(shown, 'rcSndKEM'),
    rcvKem: flag(shown, 'rcRcvKEM'),
    rootKey: chainKey('rcRK'),
    ...(/rcSnd = Just/.test(shown) && {
      sending: {
        peerDhKey: new PublicKey('x448', bytes(shown, `rcDHRr = PublicKeyX448 \\(PublicKey ${STRING}`)),
        chainKey: chainKey('rcCKs'),
        headerKey: headerKey('rcHKs'),
      },
    }),
    ...(/rcRcv = Just/.test(shown) && { receiving: { chainKey: chainKey('rcCKr'), headerKey: headerKey('rcHKr') } }),
    sndNumber: word(shown, 'rcNs'),
    rcvNumber: word(shown, 'rcNr'),
    previousSndCount: word(shown, 'rcPN'),
    nextSndHeaderKey: headerKey('rcNHKs'),
    nextRcvHeaderKey: headerKey('rcNHKr'),
  }
}
