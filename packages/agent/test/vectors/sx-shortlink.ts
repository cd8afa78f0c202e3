import assert from 'node:assert/strict'
import {
  authorizeOwner,
  connectionRequestCodec,
  decryptLinkData,
  encryptFixedLinkData,
  encryptLinkUserData,
  fixedLinkDataCodec,
  formatConnectionRequest,
  type LinkUserData,
  linkDataKeys,
  linkKeyOf,
  linkUserDataCodec,
  ownerAuthCodec,
  parseConnectionRequest,
  signFixedLinkData,
  signLinkUserData,
} from '@parley/agent/links'
import { openBox, PrivateKey, verify } from '@parley/core/crypto'
import { ByteReader, type Codec, decode, encode } from '@parley/core/encoding'
import {
  expectKeys,
  hex,
  type JsonObject,
  object,
  one,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

const NONCE_LENGTH = 24

function keyOf(entry: unknown): PrivateKey<'ed25519'> {
  const fields = object(entry)
  expectKeys(fields, 'privPKCS8', 'privRaw', 'pubRaw', 'pubSPKI')
  const key = PrivateKey.fromPkcs8(hex(fields, 'privPKCS8'))
  sameBytes(key.raw, hex(fields, 'privRaw'))
  sameBytes(key.publicKey.raw, hex(fields, 'pubRaw'))
  sameBytes(key.publicKey.spki, hex(fields, 'pubSPKI'))
  assert.ok(key.is('ed25519'))
  return key
}

function splitSigned(bytes: Uint8Array): { signature: Uint8Array; data: Uint8Array } {
  const reader = new ByteReader(bytes)
  return { signature: reader.shortString(), data: reader.tail() }
}

function sameAfterRoundTrip<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const value = decode(codec, bytes)
  sameBytes(encode(codec, value), bytes)
  return value
}

/** Opens a box of link data, and seals it again with the nonce that it begins with. */
function checkBox(
  key: Uint8Array,
  encrypted: Uint8Array,
  signed: Uint8Array,
  seal: (key: Uint8Array, signed: Uint8Array, nonce: Uint8Array) => Uint8Array,
): void {
  const nonce = encrypted.subarray(0, NONCE_LENGTH)
  sameBytes(openBox(key, nonce, encrypted.subarray(NONCE_LENGTH)), signed)
  sameBytes(seal(key, signed, nonce), encrypted)
}

/** One of the keys made the signature; Ed25519 makes the same one again. */
function checkUserSignature(keys: readonly PrivateKey<'ed25519'>[], user: LinkUserData, signed: Uint8Array): void {
  const { signature, data } = splitSigned(signed)
  const key = keys.find(({ publicKey }) => verify(publicKey, data, signature))
  assert.ok(key, 'signed by none of the keys')
  sameBytes(signLinkUserData(key, user), signed)
}

function checkLink(entry: JsonObject, mode: LinkUserData['mode'], rootKey: PrivateKey<'ed25519'>, owner: JsonObject) {
  expectKeys(
    entry,
    ...['connReq', 'encFixedData', 'encUserData', 'linkId', 'linkKey', 'sbKey', 'signedFixedData', 'signedUserData'],
  )
  const linkKey = hex(entry, 'linkKey')
  const { key, linkId } = linkDataKeys(linkKey, mode)
  sameBytes(key, hex(entry, 'sbKey'))
  if (linkId) sameBytes(linkId, hex(entry, 'linkId'))
  else assert.ok(!('linkId' in entry), 'the id of an invitation link cannot be checked')

  const [signedFixed, signedUser] = [hex(entry, 'signedFixedData'), hex(entry, 'signedUserData')]
  checkBox(key, hex(entry, 'encFixedData'), signedFixed, encryptFixedLinkData)
  checkBox(key, hex(entry, 'encUserData'), signedUser, encryptLinkUserData)

  const fixedData = splitSigned(signedFixed).data
  const fixed = sameAfterRoundTrip(fixedLinkDataCodec, fixedData)
  const user = sameAfterRoundTrip(linkUserDataCodec, splitSigned(signedUser).data)
  sameBytes(linkKeyOf(fixedData), linkKey)
  const made = signFixedLinkData(rootKey, fixed)
  sameBytes(made.signed, signedFixed)
  sameBytes(made.linkKey, linkKey)
  checkUserSignature([rootKey, keyOf(owner.priv)], user, signedUser)

  const request = parseConnectionRequest(text(entry, 'connReq'))
  assert.equal(formatConnectionRequest(fixed.request), text(entry, 'connReq'))
  sameBytes(encode(connectionRequestCodec, request), encode(connectionRequestCodec, fixed.request))

  const read = decryptLinkData(
    linkKey,
    key,
    { fixed: hex(entry, 'encFixedData'), user: hex(entry, 'encUserData') },
    mode,
  )
  sameBytes(encode(fixedLinkDataCodec, read.fixed), fixedData)
  sameBytes(encode(linkUserDataCodec, read.user), splitSigned(signedUser).data)
}

function checkUserDataAlone(entry: JsonObject, rootKey: PrivateKey<'ed25519'>, owner: JsonObject): void {
  expectKeys(entry, 'signedUserData')
  const signed = hex(entry, 'signedUserData')
  const user = sameAfterRoundTrip(linkUserDataCodec, splitSigned(signed).data)
  checkUserSignature([rootKey, keyOf(owner.priv)], user, signed)
}

function checkOwner(entry: JsonObject, rootKey: PrivateKey<'ed25519'>): void {
  expectKeys(entry, 'ownerId', 'priv', 'smp')
  const owner = sameAfterRoundTrip(ownerAuthCodec, hex(entry, 'smp'))
  sameBytes(owner.ownerId, hex(entry, 'ownerId'))
  const ownerKey = keyOf(entry.priv).publicKey
  assert.ok(owner.ownerKey.equals(ownerKey))
  sameBytes(encode(ownerAuthCodec, authorizeOwner(rootKey, hex(entry, 'ownerId'), ownerKey)), hex(entry, 'smp'))
}

/** Link data: signed, encrypted, decrypted and verified. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-shortlink.json',
    cases(data) {
      const file = object(data)
      const rootKey = () => keyOf(file.rootKey)
      const owner = () => object(file.owner)
      return sectionCases(file, {
        contact: one((entry) => checkLink(entry, 'contact', rootKey(), owner())),
        contactWithRelayBigData: one((entry) => checkUserDataAlone(entry, rootKey(), owner())),
        invitation: one((entry) => checkLink(entry, 'invitation', rootKey(), owner())),
        owner: one((entry) => checkOwner(entry, rootKey())),
        rootKey: one((entry) => void keyOf(entry)),
      })
    },
  },
]
