import assert from 'node:assert/strict'
import { keccak_256 } from '@noble/hashes/sha3.js'
import {
  type AgentRecord,
  decodeAgentRecord,
  encodeAgentRecord,
  libp2pPublicKey,
  peerIdBytes,
  peerPublicKeyFromHex,
  peerPublicKeyToHex,
  publicKeyOfPeerId,
} from '@parley/acn/protocol'
import {
  createRecord,
  type Ledger,
  ledgerOf,
  PeerKey,
  ProofCache,
  representationMessage,
  startOfDay,
  verifyRepresentation,
} from '@parley/acn/record'
import { sha256 } from '@parley/core/crypto'
import { concatBytes } from '@parley/core/encoding'
import {
  each,
  expectKeys,
  hex,
  type JsonObject,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

function ledgerNamed(ledgerId: string): Ledger {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger, `ledger ${ledgerId} is not known`)
  return ledger
}

function checkPeer(entry: JsonObject): void {
  expectKeys(
    entry,
    'privateKeyHex',
    'publicKeyCompressedHex',
    'libp2pPublicKeyProtobufHex',
    'peerIdBase58',
    'peerIdMultihashHex',
    'cosmosAddress',
    'fetchaiAddress',
  )
  const key = new PeerKey(hex(entry, 'privateKeyHex'))
  const publicKeyHex = text(entry, 'publicKeyCompressedHex')
  assert.equal(key.publicKeyHex, publicKeyHex)
  sameBytes(peerPublicKeyFromHex(publicKeyHex), key.publicKey)
  assert.equal(peerPublicKeyToHex(key.publicKey), publicKeyHex)
  sameBytes(libp2pPublicKey(key.publicKey), hex(entry, 'libp2pPublicKeyProtobufHex'))
  assert.equal(key.peerId, text(entry, 'peerIdBase58'))
  sameBytes(peerIdBytes(key.publicKey), hex(entry, 'peerIdMultihashHex'))
  sameBytes(publicKeyOfPeerId(key.peerId), key.publicKey)
  for (const ledgerId of ['cosmos', 'fetchai']) {
    const ledger = ledgerNamed(ledgerId)
    assert.equal(ledger.publicKeyOf(hex(entry, 'privateKeyHex')), publicKeyHex)
    assert.equal(ledger.addressOf(publicKeyHex), text(entry, `${ledgerId}Address`))
  }
}

function checkProof(entry: JsonObject): void {
  expectKeys(
    entry,
    'ledger',
    'privateKeyHex',
    'publicKey',
    'address',
    'peerPublicKey',
    'signedBytesAscii',
    'digestHex',
    'signature',
    'agentRecordProtobufHex',
    'certFileContent',
  )
  const ledger = ledgerNamed(text(entry, 'ledger'))
  const privateKey = hex(entry, 'privateKeyHex')
  const publicKey = text(entry, 'publicKey')
  const peerPublicKey = text(entry, 'peerPublicKey')
  const signature = text(entry, 'signature')
  const message = representationMessage(peerPublicKey)

  assert.equal(ledger.publicKeyOf(privateKey), publicKey)
  assert.equal(ledger.addressOf(publicKey), text(entry, 'address'))
  assert.equal(Buffer.from(message).toString('latin1'), text(entry, 'signedBytesAscii'))
  sameBytes(digest(ledger.ledgerId, message), hex(entry, 'digestHex'))
  assert.equal(ledger.sign(privateKey, message), signature)
  assert.ok(ledger.verify(publicKey, message, signature))
  // The connections keep a certificate as the hexadecimal of its text.
  assert.equal(Buffer.from(signature).toString('hex'), text(entry, 'certFileContent'))

  const bytes = hex(entry, 'agentRecordProtobufHex')
  const record = decodeAgentRecord(bytes)
  sameBytes(encodeAgentRecord(record), bytes)
  const { serviceId, notBefore, notAfter } = record
  const made: AgentRecord = createRecord(ledger, { privateKey, peerPublicKey, serviceId, notBefore, notAfter })
  assert.deepEqual(record, made)
  const cache = new ProofCache()
  for (let time = 0; time < 2; time++) {
    const expectation = { expectedAddress: text(entry, 'address'), representativePublicKey: peerPublicKey }
    verifyRepresentation(record, expectation, { cache, now: startOfDay(notBefore) ?? Date.now() })
  }
  assert.equal(cache.size, 1)
}

/** What is signed: SHA-256 of the text, on Ethereum the hash of a personal message. */
function digest(ledgerId: string, message: Uint8Array): Uint8Array {
  if (ledgerId !== 'ethereum') return sha256(message)
  return keccak_256(concatBytes(Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`), message))
}

/** Signatures whose numbers begin with a zero byte keep their length. */
function checkLeadingZero(entry: JsonObject): void {
  expectKeys(entry, 'publicKey', 'messageAscii', 'signature', 'rHex', 'sHex')
  const signature = text(entry, 'signature')
  sameBytes(Buffer.from(signature, 'base64'), concatBytes(hex(entry, 'rHex'), hex(entry, 'sHex')))
  const message = Buffer.from(text(entry, 'messageAscii'), 'latin1')
  for (const ledgerId of ['fetchai', 'cosmos']) {
    assert.ok(ledgerNamed(ledgerId).verify(text(entry, 'publicKey'), message, signature))
  }
}

/** Keys, addresses, peer ids and proofs of representation. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-keys-por.json',
    cases: (data) =>
      sectionCases(data, {
        peers: each(checkPeer),
        por: each(checkProof),
        leadingZeroComponents: each(checkLeadingZero),
      }),
  },
]
