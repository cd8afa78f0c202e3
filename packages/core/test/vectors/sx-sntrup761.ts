import assert from 'node:assert/strict'
import { loadSntrup761, SNTRUP761_PUBLIC_KEY_LENGTH } from '@parley/core/crypto'
import { each, expectKeys, hex, type JsonObject, sameBytes, sectionCases, type VectorFile } from './vector-file.ts'

/** The secret key ends with the public key, 191 bytes of rho and 32 of a hash: `spec/pqdr.md §8`. */
const AFTER_PUBLIC_KEY = 191 + 32

async function check(entry: JsonObject): Promise<void> {
  expectKeys(entry, 'pk', 'sk', 'ct', 'ss', 'badCt', 'badSs')
  const kem = await loadSntrup761()
  const publicKey = hex(entry, 'pk')
  const secretKey = hex(entry, 'sk')
  assert.equal(publicKey.length, SNTRUP761_PUBLIC_KEY_LENGTH)
  const end = secretKey.length - AFTER_PUBLIC_KEY
  sameBytes(secretKey.subarray(end - publicKey.length, end), publicKey, 'public key inside the secret key')
  sameBytes(kem.decapsulate(secretKey, hex(entry, 'ct')), hex(entry, 'ss'))
  sameBytes(kem.decapsulate(secretKey, hex(entry, 'badCt')), hex(entry, 'badSs'), 'implicit rejection')
  const { ciphertext, sharedSecret } = kem.encapsulate(publicKey)
  sameBytes(kem.decapsulate(secretKey, ciphertext), sharedSecret, 'secret of our own')
}

/** Known answers with a changed ciphertext each. */
export const coverage: VectorFile[] = [
  { file: 'sx-sntrup761.json', cases: (data) => sectionCases(data, { vectors: each(check) }) },
]
