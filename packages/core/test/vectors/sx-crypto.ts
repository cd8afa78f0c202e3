import assert from 'node:assert/strict'
import {
  authenticate,
  BOX_TAG_LENGTH,
  cbNonce,
  decryptAead,
  dh,
  encryptAead,
  hkdfSha512,
  openBox,
  openBoxNoPad,
  PrivateKey,
  PublicKey,
  reverseNonce,
  sealBox,
  sealBoxNoPad,
  sha3_256,
  sha3_384,
  sha256,
  sha512,
  sign,
  verify,
  verifyAuthenticator,
} from '@parley/core/crypto'
import { ByteWriter, concatBytes, pad, unpad } from '@parley/core/encoding'
import {
  each,
  expectKeys,
  failing,
  fromHex,
  hex,
  type JsonObject,
  number,
  object,
  one,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from './vector-file.ts'

const EMPTY = new Uint8Array(0)

const ALGORITHM = /^(ed25519|ed448|x25519|x448)[a-z0-9]*$/

/** The algorithm at the start of a name such as `x448a`. */
function algorithmOf(name: string) {
  const algorithm = ALGORITHM.exec(name)?.[1]
  assert.ok(algorithm, `${name} names no algorithm`)
  return algorithm as 'ed25519' | 'ed448' | 'x25519' | 'x448'
}

/** A case for every key of an object section, with the rest of the file at hand. */
function eachKey(check: (value: unknown, key: string) => void): SectionCheck {
  return function* (section, name): Iterable<VectorCase> {
    for (const [key, value] of Object.entries(object(section))) {
      if (key !== 'note') yield { name: `${name}.${key}`, run: () => check(value, key) }
    }
  }
}

function checkKey(value: unknown, name: string): void {
  const entry = object(value)
  expectKeys(entry, 'privPKCS8', 'privRaw', 'pubRaw', 'pubSPKI')
  const algorithm = algorithmOf(name)
  const fromDer = PrivateKey.fromPkcs8(hex(entry, 'privPKCS8'))
  assert.equal(fromDer.algorithm, algorithm)
  sameBytes(fromDer.raw, hex(entry, 'privRaw'))
  const key = new PrivateKey(algorithm, hex(entry, 'privRaw'))
  sameBytes(key.pkcs8, hex(entry, 'privPKCS8'))
  sameBytes(key.publicKey.raw, hex(entry, 'pubRaw'), 'public key of the private one')
  sameBytes(key.publicKey.spki, hex(entry, 'pubSPKI'))
  const publicKey = PublicKey.fromSpki(hex(entry, 'pubSPKI'))
  assert.ok(publicKey.equals(key.publicKey))
}

function privateKey(file: JsonObject, name: string): PrivateKey {
  const keys = object(file.keys)
  return new PrivateKey(algorithmOf(name), hex(object(keys[name]), 'privRaw'))
}

/** Checks that need keys of another section. */
function checksWithKeys(file: JsonObject): Record<string, SectionCheck> {
  return {
    dh: eachKey((value, name) => {
      const match = /^(x25519|x448)_([a-z])([a-z])$/.exec(name)
      assert.ok(match, `${name} names no two keys`)
      const [, algorithm, first, second] = match
      const a = privateKey(file, `${algorithm}${first}`) as PrivateKey<'x448'>
      const b = privateKey(file, `${algorithm}${second}`) as PrivateKey<'x448'>
      const secret = fromHex(String(value))
      sameBytes(dh(a, b.publicKey), secret)
      sameBytes(dh(b, a.publicKey), secret)
    }),
    sign: (section) => signatureCases(file, object(section)),
  }
}

function* signatureCases(file: JsonObject, entry: JsonObject): Iterable<VectorCase> {
  for (const key of Object.keys(entry)) {
    if (key === 'msg' || key === 'note') continue
    const [, name = '', encoded] = /^(ed\w+?)(_smpEncode)?$/.exec(key) ?? []
    if (!name) {
      yield failing(`sign.${key}`, 'no check understands this entry')
      continue
    }
    yield {
      name: `sign.${key}`,
      run() {
        const signingKey = privateKey(file, name) as PrivateKey<'ed448'>
        const message = hex(entry, 'msg')
        const signature = sign(signingKey, message)
        const shown = encoded ? new ByteWriter().shortString(signature).finish() : signature
        sameBytes(shown, hex(entry, key))
        assert.ok(verify(signingKey.publicKey, message, signature))
        assert.ok(!verify(signingKey.publicKey, concatBytes(message, Uint8Array.of(0)), signature))
      },
    }
  }
}

function checkBox(secret: Uint8Array, entry: JsonObject): void {
  const nonce = hex(entry, 'nonce')
  const message = hex(entry, 'msg')
  sameBytes(sealBox(secret, nonce, message, number(entry, 'paddedLen')), hex(entry, 'encrypted'))
  sameBytes(openBox(secret, nonce, hex(entry, 'encrypted')), message)
  sameBytes(sealBoxNoPad(secret, nonce, message), hex(entry, 'encryptedNoPad'))
  sameBytes(openBoxNoPad(secret, nonce, hex(entry, 'encryptedNoPad')), message)
}

function checkAead(entry: JsonObject): void {
  expectKeys(entry, 'ad', 'cipher', 'iv16', 'key', 'msg', 'paddedLen', 'tag')
  const [key, iv, ad, message] = [hex(entry, 'key'), hex(entry, 'iv16'), hex(entry, 'ad'), hex(entry, 'msg')]
  const { tag, ciphertext } = encryptAead(key, iv, number(entry, 'paddedLen'), ad, message)
  sameBytes(tag, hex(entry, 'tag'))
  sameBytes(ciphertext, hex(entry, 'cipher'))
  sameBytes(decryptAead(key, iv, ad, hex(entry, 'tag'), hex(entry, 'cipher')), message)
}

function checkCryptoBox(entry: JsonObject): void {
  expectKeys(entry, 'encrypted', 'encryptedNoPad', 'msg', 'nonce', 'paddedLen', 'privA', 'pubB', 'secret')
  const secret = dh(new PrivateKey('x25519', hex(entry, 'privA')), new PublicKey('x25519', hex(entry, 'pubB')))
  sameBytes(secret, hex(entry, 'secret'))
  checkBox(secret, entry)
}

function checkSecretBox(entry: JsonObject): void {
  expectKeys(entry, 'encrypted', 'encryptedNoPad', 'key', 'msg', 'nonce', 'paddedLen')
  checkBox(hex(entry, 'key'), entry)
}

function checkAuthenticator(entry: JsonObject): void {
  expectKeys(entry, 'authenticator', 'msg', 'nonce', 'peerPub', 'priv', 'sha512')
  const key = new PrivateKey('x25519', hex(entry, 'priv'))
  const peer = new PublicKey('x25519', hex(entry, 'peerPub'))
  const [nonce, message, authenticator] = [hex(entry, 'nonce'), hex(entry, 'msg'), hex(entry, 'authenticator')]
  sameBytes(sha512(message), hex(entry, 'sha512'))
  sameBytes(authenticate(key, peer, nonce, message), authenticator)
  assert.ok(verifyAuthenticator(key, peer, nonce, message, authenticator))
  assert.ok(!verifyAuthenticator(key, peer, reverseNonce(nonce), message, authenticator))
}

const HASHES = { sha256, sha512, sha3_256, sha3_384 }

function* hashCases(section: unknown, name: string): Iterable<VectorCase> {
  const entry = object(section)
  for (const key of Object.keys(entry)) {
    if (key === 'msg' || key === 'note') continue
    const hash = Object.hasOwn(HASHES, key) ? HASHES[key as keyof typeof HASHES] : undefined
    if (hash) yield { name: `${name}.${key}`, run: () => sameBytes(hash(hex(entry, 'msg')), hex(entry, key)) }
    else yield failing(`${name}.${key}`, 'no check understands this entry')
  }
}

function checkHkdf(entry: JsonObject): void {
  expectKeys(entry, 'ikm', 'info', 'len', 'out', 'salt')
  const info = Buffer.from(hex(entry, 'info')).toString('latin1')
  sameBytes(hkdfSha512(hex(entry, 'salt'), hex(entry, 'ikm'), info, number(entry, 'len')), hex(entry, 'out'))
}

/** `spec/pqdr.md §2`. */
function checkChainKdf(entry: JsonObject): void {
  expectKeys(entry, 'ck', "ck'", 'headerIv', 'mk', 'msgIv')
  const out = hkdfSha512(EMPTY, hex(entry, 'ck'), 'SimpleXChainRatchet', 96)
  sameBytes(out, concatBytes(hex(entry, "ck'"), hex(entry, 'mk'), hex(entry, 'msgIv'), hex(entry, 'headerIv')))
}

function checkRootKdf(entry: JsonObject): void {
  expectKeys(entry, 'kemSecret', 'noKem', 'peerPub', 'priv', 'rk', 'withKem')
  const secret = dh(new PrivateKey('x448', hex(entry, 'priv')), new PublicKey('x448', hex(entry, 'peerPub')))
  const check = (ikm: Uint8Array, expected: JsonObject) => {
    expectKeys(expected, 'ck', 'nhk', "rk'")
    const out = hkdfSha512(hex(entry, 'rk'), ikm, 'SimpleXRootRatchet', 96)
    sameBytes(out, concatBytes(hex(expected, "rk'"), hex(expected, 'ck'), hex(expected, 'nhk')))
  }
  check(secret, object(entry.noKem))
  check(concatBytes(secret, hex(entry, 'kemSecret')), object(entry.withKem))
}

/** Keys of encrypted blocks in the two directions: `spec/smp.md §2.3`. */
function checkBlockChain(entry: JsonObject): void {
  expectKeys(entry, 'secret', 'serverRcv_clientSnd', 'serverSnd_clientRcv', 'sessionId_salt')
  const chains = hkdfSha512(hex(entry, 'sessionId_salt'), hex(entry, 'secret'), 'SimpleXSbChainInit', 64)
  const check = (start: Uint8Array, blocks: unknown) => {
    assert.ok(Array.isArray(blocks))
    let chain = start
    for (const block of blocks.map(object)) {
      expectKeys(block, 'key', 'nonce')
      const out = hkdfSha512(EMPTY, chain, 'SimpleXSbChain', 88)
      sameBytes(out.subarray(32), concatBytes(hex(block, 'key'), hex(block, 'nonce')))
      chain = out.subarray(0, 32)
    }
  }
  check(chains.subarray(0, 32), entry.serverSnd_clientRcv)
  check(chains.subarray(32), entry.serverRcv_clientSnd)
}

function checkPadding(entry: JsonObject): void {
  expectKeys(entry, 'len', 'msg', 'padded')
  sameBytes(pad(hex(entry, 'msg'), number(entry, 'len')), hex(entry, 'padded'))
  sameBytes(unpad(hex(entry, 'padded')), hex(entry, 'msg'))
}

/** Padding of file content: an Int64 length. */
function padLarge(content: Uint8Array, length: number): Uint8Array {
  const padded = new ByteWriter(length).int64(BigInt(content.length)).bytes(content)
  return padded.bytes(new Uint8Array(length - padded.length).fill(0x23)).finish()
}

function checkLargePadding(entry: JsonObject): void {
  expectKeys(entry, 'len', 'msg', 'padded')
  sameBytes(padLarge(hex(entry, 'msg'), number(entry, 'len')), hex(entry, 'padded'))
}

function tagLast(box: Uint8Array): Uint8Array {
  return concatBytes(box.subarray(BOX_TAG_LENGTH), box.subarray(0, BOX_TAG_LENGTH))
}

/** The same boxes with the padding of files, and with the tag at the end. */
function checkLargeBox(entry: JsonObject): void {
  expectKeys(
    entry,
    ...['key', 'msg', 'msgShort', 'nonce', 'paddedLen'],
    ...['sbEncryptTailTag', 'sbEncryptTailTagNoPad_msgShort', 'sbEncrypt_tagFirst'],
  )
  const [key, nonce] = [hex(entry, 'key'), hex(entry, 'nonce')]
  const box = sealBoxNoPad(key, nonce, padLarge(hex(entry, 'msg'), number(entry, 'paddedLen')))
  sameBytes(box, hex(entry, 'sbEncrypt_tagFirst'))
  sameBytes(tagLast(box), hex(entry, 'sbEncryptTailTag'))
  sameBytes(tagLast(sealBoxNoPad(key, nonce, hex(entry, 'msgShort'))), hex(entry, 'sbEncryptTailTagNoPad_msgShort'))
}

function checkShortNonce(entry: JsonObject): void {
  expectKeys(entry, 'in', 'out')
  sameBytes(cbNonce(hex(entry, 'in')), hex(entry, 'out'))
}

function checkReverseNonce(entry: JsonObject): void {
  expectKeys(entry, 'nonce', 'reversed')
  sameBytes(reverseNonce(hex(entry, 'nonce')), hex(entry, 'reversed'))
  assert.notEqual(text(entry, 'nonce'), text(entry, 'reversed'))
}

/** Keys, hashes, key derivation, boxes, AEAD. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-crypto.json',
    cases: (data) =>
      sectionCases(data, {
        aead: one(checkAead),
        cb: one(checkCryptoBox),
        cbAuthenticator: one(checkAuthenticator),
        cbNonceFromShort: one(checkShortNonce),
        chainKdf: one(checkChainKdf),
        hash: hashCases,
        hkdf: each(checkHkdf),
        keys: eachKey(checkKey),
        pad: each(checkPadding),
        padLazy: one(checkLargePadding),
        reverseNonce: one(checkReverseNonce),
        rootKdf: one(checkRootKdf),
        sb: one(checkSecretBox),
        sbChain: one(checkBlockChain),
        sbLazy: one(checkLargeBox),
        ...checksWithKeys(object(data)),
      }),
  },
]
