import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { PrivateKey } from '@parley/core/crypto'
import { concatBytes, decode, pad, unpad } from '@parley/core/encoding'
import { BlockCipher } from '@parley/core/transport'
import {
  type AuthPrivateKey,
  authorize,
  authorizedBytes,
  commandCodec,
  decodeBatch,
  decodeCommand,
  encodeBatch,
  encodeCommand,
  packTransmissions,
  parseTransmission,
  type SignedTransmission,
  verifyAuthorization,
} from '@parley/smp/protocol'
import {
  expectKeys,
  failing,
  fromHex,
  hex,
  type JsonObject,
  number,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { keyPairSection } from './sx-smp.ts'

const BLOCK_SIZE = 16384

function privateKey(file: JsonObject, name: string): PrivateKey {
  return PrivateKey.fromPkcs8(hex(object(file[name]), 'privPKCS8'))
}

/** Which key of the file authorises an entry, told by the entry's name. */
function authKey(file: JsonObject, name: string): AuthPrivateKey | undefined {
  if (name === 'unauthorized') return undefined
  const [section = ''] = name.split(' ', 1)
  assert.ok(['ed25519', 'ed448', 'x25519'].includes(section), 'no check understands this authorisation')
  return privateKey(file, section) as AuthPrivateKey
}

function serverSessionKey(file: JsonObject): PrivateKey<'x25519'> {
  const key = privateKey(file, 'serverSessionKey')
  assert.ok(key.is('x25519'))
  return key
}

function checkVector(file: JsonObject, entry: JsonObject): void {
  expectKeys(
    entry,
    ...['name', 'v', 'tForAuth', 'tToSend', 'transmission', 'batch1', 'paddedBlockLen', 'paddedBlockSha256'],
  )
  const session = { version: number(entry, 'v'), sessionId: hex(file, 'sessionId') }
  const [corrId, entityId] = [hex(file, 'corrId'), hex(file, 'entityId')]
  const message = decode(commandCodec, hex(file, 'command'), session)
  const encoded = encodeCommand({ corrId, entityId, message }, session)
  sameBytes(encoded.authorized, hex(entry, 'tForAuth'), 'tForAuth')
  sameBytes(encoded.body, hex(entry, 'tToSend'), 'tToSend')

  const key = authKey(file, text(entry, 'name'))
  const sessionKey = serverSessionKey(file)
  const parameters = { authorized: encoded.authorized, corrId, serverKey: sessionKey.publicKey }
  const signed = { body: encoded.body, authorization: key && authorize(key, parameters) }
  const content = encodeBatch([signed], session.version)
  sameBytes(content, hex(entry, 'batch1'), 'batch1')
  const transmission = hex(entry, 'transmission')
  assert.deepEqual(decodeBatch(content).map(Buffer.from), [Buffer.from(transmission)])
  const padded = pad(content, number(entry, 'paddedBlockLen'))
  assert.equal(createHash('sha256').update(padded).digest('hex'), text(entry, 'paddedBlockSha256'), 'padded block')
  sameBytes(unpad(padded), content)

  const raw = parseTransmission(transmission, session.version)
  const authorized = authorizedBytes(raw.body, session)
  sameBytes(authorized, encoded.authorized, 'authorised bytes of the received transmission')
  const received = decodeCommand(transmission, session)
  if (!key) {
    assert.equal(raw.authenticator.length, 0)
    return
  }
  assert.ok(received.ok)
  assert.deepEqual(received.message, message)
  const verified = verifyAuthorization(received.authorization, [key.publicKey], { authorized, corrId, sessionKey })
  assert.ok(verified, 'authorisation does not verify')
}

function vectorsSection(file: JsonObject): SectionCheck {
  return function* (section, name) {
    assert.ok(Array.isArray(section))
    for (const [i, item] of section.entries()) {
      const entry = object(item)
      yield { name: `${name}[${i}] ${text(entry, 'name')} v${entry.v}`, run: () => checkVector(file, entry) }
    }
  }
}

/** A list of blocks that the original packed from the same transmissions: unpacked and packed again they are the same. */
function checkBatches(file: JsonObject, blocks: readonly Uint8Array[]): void {
  const version = batchVersion(file, blocks)
  const session = { version, sessionId: hex(file, 'sessionId') }
  const transmissions = blocks.flatMap((block) => decodeBatch(block))
  const signed = transmissions.map((bytes): SignedTransmission => {
    const { authenticator, serviceSignature, body } = parseTransmission(bytes, version)
    if (authenticator.length === 0) return { body }
    return { authorization: { authenticator, ...(serviceSignature && { serviceSignature }) }, body }
  })
  const packed = packTransmissions(signed, version).map((item) => {
    assert.equal(item.type, 'block')
    return item.type === 'block' ? item.content : new Uint8Array()
  })
  sameBytes(concatBytes(...packed), concatBytes(...blocks))
  const keys = ['ed25519', 'ed448', 'x25519']
    .filter((name) => name in file)
    .map((name) => (privateKey(file, name) as AuthPrivateKey).publicKey)
  for (const bytes of transmissions) {
    const received = decodeCommand(bytes, session)
    assert.ok(received.ok || received.error.type === 'CMD')
    if (!received.ok || !received.authorization) continue
    const { authorization, body, corrId } = received
    const parameters = { authorized: authorizedBytes(body, session), corrId, sessionKey: serverSessionKey(file) }
    assert.ok(verifyAuthorization(authorization, keys, parameters), 'authorisation does not verify')
  }
}

/** The file does not tell a batch's version: it is the one of its entries at which every transmission is a command. */
function batchVersion(file: JsonObject, blocks: readonly Uint8Array[]): number {
  const entries = file.vectors
  assert.ok(Array.isArray(entries))
  const versions = entries.map((entry) => number(object(entry), 'v')).reverse()
  const command = hex(file, 'command')
  const fits = (version: number) =>
    blocks
      .flatMap((block) => decodeBatch(block))
      .every((bytes) => {
        try {
          return Buffer.compare(parseTransmission(bytes, version).command, command) === 0
        } catch {
          return false
        }
      })
  const version = versions.find(fits)
  assert.ok(version !== undefined, 'batch fits no version')
  return version
}

function batchSection(file: JsonObject): SectionCheck {
  return function* (section, name) {
    assert.ok(Array.isArray(section))
    yield {
      name,
      run: () =>
        checkBatches(
          file,
          section.map((block) => fromHex(String(block), name)),
        ),
    }
  }
}

function* encryptedBlockCases(file: JsonObject, section: unknown, name: string): Iterable<VectorCase> {
  const { secret_x25519dh: secret, clientToServer, serverToClient, ...rest } = object(section)
  for (const key of Object.keys(rest)) yield failing(`${name} ${key}`, 'no check understands this entry')
  for (const [side, peer, blocks] of [
    ['client', 'server', clientToServer],
    ['server', 'client', serverToClient],
  ] as const) {
    const create = (whose: 'client' | 'server') =>
      BlockCipher.create(hex(file, 'sessionId'), fromHex(String(secret), 'secret'), whose)
    yield {
      name: `${name} of the ${side}`,
      run() {
        const [sender, receiver] = [create(side), create(peer)]
        assert.ok(Array.isArray(blocks))
        for (const item of blocks) {
          const entry = object(item)
          expectKeys(entry, 'block', 'plain')
          assert.equal(hex(entry, 'block').length, BLOCK_SIZE)
          sameBytes(sender.encrypt(hex(entry, 'plain')), hex(entry, 'block'))
          sameBytes(receiver.decrypt(hex(entry, 'block')), hex(entry, 'plain'))
        }
      },
    }
  }
}

/** What all entries of the file share. */
const shared = (check: (value: Uint8Array) => void): SectionCheck =>
  function* (section, name) {
    yield { name, run: () => check(fromHex(String(section), name)) }
  }

/** Transmissions authorised in every way, batches and encrypted blocks: rebuilt, verified, decrypted. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-transmission.json',
    cases(data) {
      const file = object(data)
      const batches = Object.keys(file).filter((key) => /^batch\d+$/.test(key))
      return sectionCases(data, {
        sessionId: shared((bytes) => assert.ok(bytes.length === 12 || bytes.length === 32)),
        corrId: shared((bytes) => assert.equal(bytes.length, 24)),
        entityId: shared((bytes) => assert.ok(bytes.length > 0)),
        command: shared((bytes) => void decode(commandCodec, bytes, { version: 18 })),
        ed25519: keyPairSection,
        ed448: keyPairSection,
        x25519: keyPairSection,
        serverSessionKey: keyPairSection,
        vectors: vectorsSection(file),
        encryptedBlocks: (section, name) => encryptedBlockCases(file, section, name),
        ...Object.fromEntries(batches.map((name) => [name, batchSection(file)])),
      })
    },
  },
]
