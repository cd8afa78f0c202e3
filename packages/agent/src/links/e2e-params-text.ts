import { SNTRUP761_CIPHERTEXT_LENGTH, SNTRUP761_PUBLIC_KEY_LENGTH } from '@parley/core/crypto'
import { toBase64url } from '@parley/core/encoding'
import { versionRangeFromText, versionRangeToText } from '@parley/core/version'
import { type E2eParamsUri, KEM_E2E_VERSION, type KemParams } from '../ratchet/params.ts'
import { Query } from './query.ts'
import { TextPart } from './text-part.ts'

/** The value of `e2e` in a connection request, itself a query whose values are not escaped: `spec/agent.md §2.2`. */
export function formatE2eParamsUri({ versions, key1, key2, kem }: E2eParamsUri): string {
  const keys = `${toBase64url(key1.spki)},${toBase64url(key2.spki)}`
  const kemQuery = kem && versions.max >= KEM_E2E_VERSION ? formatKem(kem) : ''
  return `v=${versionRangeToText(versions)}&x3dh=${keys}${kemQuery}`
}

/**
 * Reads {@link formatE2eParamsUri}'s text.
 * @throws DecodeError
 */
export function parseE2eParamsUri(text: string): E2eParamsUri {
  return readE2eParamsUri(new TextPart(text))
}

/** {@link parseE2eParamsUri} of a part of a larger text. */
export function readE2eParamsUri(part: TextPart): E2eParamsUri {
  const query = new Query(part)
  const versionPart = query.require('v')
  const versions = versionRangeFromText(versionPart.text, versionPart.offset)
  const keysPart = query.require('x3dh')
  const [first, second, ...more] = keysPart.split(',')
  if (!first || !second || more.length > 0) return keysPart.fail('expected two keys')
  const key1 = first.publicKey('x448', 'x25519')
  const key2 = second.publicKey('x448', 'x25519')
  if (key1.algorithm !== key2.algorithm) second.fail('key agreement keys of different algorithms')
  const kem = versions.max >= KEM_E2E_VERSION ? readKem(query) : undefined
  return { versions, key1, key2, ...(kem && { kem }) }
}

function formatKem(kem: KemParams): string {
  const ciphertext = kem.type === 'accepted' ? `&kem_ct=${toBase64url(kem.ciphertext)}` : ''
  return `${ciphertext}&kem_key=${toBase64url(kem.publicKey)}`
}

function readKem(query: Query): KemParams | undefined {
  const keyPart = query.get('kem_key')
  if (!keyPart) return undefined
  const publicKey = bytesOf(keyPart, SNTRUP761_PUBLIC_KEY_LENGTH, 'KEM public key')
  const ciphertextPart = query.get('kem_ct')
  if (!ciphertextPart) return { type: 'proposed', publicKey }
  return {
    type: 'accepted',
    ciphertext: bytesOf(ciphertextPart, SNTRUP761_CIPHERTEXT_LENGTH, 'KEM ciphertext'),
    publicKey,
  }
}

function bytesOf(part: TextPart, length: number, what: string): Uint8Array {
  const bytes = part.base64url()
  return bytes.length === length ? bytes : part.fail(`${what} of ${bytes.length} bytes, not ${length}`)
}
