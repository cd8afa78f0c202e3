import assert from 'node:assert/strict'
import {
  decryptMessage,
  e2eParamsCodec,
  e2eParamsOfKeys,
  encryptBody,
  encryptHeader,
  initRcvRatchet,
  initSndRatchet,
  messageEncryptKeyCodec,
  openMessage,
  privateKemParamsCodec,
  type Ratchet,
  type RatchetRandom,
  ratchetFromJson,
  ratchetToJson,
  type SkippedKey,
  SkippedKeyMap,
  type X3dhKeys,
  type X3dhResult,
  x3dhRcv,
  x3dhSnd,
} from '@parley/agent/ratchet'
import { type DhAlgorithm, type KemKeyPair, loadSntrup761, PrivateKey, type Sntrup761 } from '@parley/core/crypto'
import { decode, encode } from '@parley/core/encoding'
import {
  expectKeys,
  failing,
  hex,
  type JsonObject,
  number,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

const noDhKeys = () => assert.fail('no fresh key is expected here')

/** Everything that a party has before a step. */
interface Party {
  readonly ratchet: unknown
  readonly skipped: unknown
}

const transcripts: SectionCheck = function* (section, name) {
  if (!Array.isArray(section)) {
    yield failing(name, 'not a list')
    return
  }
  for (const [i, item] of section.entries()) yield* transcriptCases(object(item), `${name}[${i}]`)
}

function* transcriptCases(transcript: JsonObject, at: string): Iterable<VectorCase> {
  const name = `${at} ${String(transcript.name)}`
  yield {
    name: `${name}: keys`,
    run: () => expectKeys(transcript, 'alice0', 'bob0', 'e2eVersion', 'name', 'steps', 'x3dh'),
  }
  yield { name: `${name}: key agreement`, run: () => checkAgreement(transcript) }
  yield { name: `${name}: initial states`, run: () => checkInitialStates(transcript) }
  yield* stepCases(transcript, name)
}

function* stepCases(transcript: JsonObject, name: string): Iterable<VectorCase> {
  const { steps } = transcript
  if (!Array.isArray(steps)) {
    yield failing(name, 'steps are not a list')
    return
  }
  const parties = new Map<unknown, Party>([
    ['alice', { ratchet: transcript.alice0, skipped: [] }],
    ['bob', { ratchet: transcript.bob0, skipped: [] }],
  ])
  for (const [i, item] of steps.entries()) {
    const step = object(item)
    const party = parties.get(step.by)
    const what = `${name}: step ${i}, ${String(step.by)} ${String(step.op)}s`
    if (!party) {
      yield failing(what, 'unknown party')
      continue
    }
    parties.set(step.by, { ratchet: step.after, skipped: step.skippedAfter ?? party.skipped })
    if (step.op === 'encrypt') yield { name: what, run: () => checkEncrypt(step, party) }
    else if (step.op === 'decrypt') yield { name: what, run: () => checkDecrypt(step, party) }
    else yield failing(what, 'unknown operation')
  }
}

function keyOf(entry: unknown): PrivateKey<DhAlgorithm> {
  const fields = object(entry)
  expectKeys(fields, 'privRaw', 'pubRaw')
  const raw = hex(fields, 'privRaw')
  const key = new PrivateKey<DhAlgorithm>(raw.length === 32 ? 'x25519' : 'x448', raw)
  sameBytes(key.publicKey.raw, hex(fields, 'pubRaw'))
  return key
}

function keysOf(x3dh: JsonObject, party: 'alice' | 'bob'): X3dhKeys {
  const keys = { key1: keyOf(x3dh[`${party}1`]), key2: keyOf(x3dh[`${party}2`]) }
  if (x3dh[`${party}Kem`] === null) return keys
  const bytes = hex(x3dh, `${party}Kem`)
  const kem = decode(privateKemParamsCodec, bytes)
  sameBytes(encode(privateKemParamsCodec, kem), bytes)
  return { ...keys, kem }
}

/** The key agreement from both sides, with everything that the file says of it compared. */
async function agree(transcript: JsonObject): Promise<Record<'alice' | 'bob', X3dhResult>> {
  const x3dh = object(transcript.x3dh)
  const version = number(transcript, 'e2eVersion')
  const [aliceKeys, bobKeys] = [keysOf(x3dh, 'alice'), keysOf(x3dh, 'bob')]
  for (const [name, keys] of [
    ['aliceParams', aliceKeys],
    ['bobParams', bobKeys],
  ] as const) {
    const bytes = hex(x3dh, name)
    sameBytes(encode(e2eParamsCodec, decode(e2eParamsCodec, bytes)), bytes)
    sameBytes(encode(e2eParamsCodec, e2eParamsOfKeys(keys, version)), bytes, name)
  }
  const kem = await loadSntrup761()
  return {
    alice: x3dhRcv(aliceKeys, decode(e2eParamsCodec, hex(x3dh, 'bobParams')), { kem }),
    bob: x3dhSnd(bobKeys, decode(e2eParamsCodec, hex(x3dh, 'aliceParams'))),
  }
}

async function checkAgreement(transcript: JsonObject): Promise<void> {
  const x3dh = object(transcript.x3dh)
  expectKeys(
    x3dh,
    ...['alice1', 'alice2', 'aliceKem', 'aliceParams', 'bob1', 'bob2', 'bobKem', 'bobParams', 'bobRatchetKey', 'init'],
  )
  const init = object(x3dh.init)
  expectKeys(init, 'assocData', 'ratchetKey', 'sndHK', 'rcvNextHK', 'kemSharedSecret')
  for (const result of Object.values(await agree(transcript))) {
    sameBytes(result.associatedData, hex(init, 'assocData'))
    sameBytes(result.rootKey, hex(init, 'ratchetKey'))
    sameBytes(result.sndHeaderKey, hex(init, 'sndHK'))
    sameBytes(result.rcvNextHeaderKey, hex(init, 'rcvNextHK'))
    const secret = result.kemAccepted?.sharedSecret
    if (init.kemSharedSecret === null) assert.equal(secret, undefined)
    else sameBytes(secret ?? new Uint8Array(), hex(init, 'kemSharedSecret'))
  }
}

async function checkInitialStates(transcript: JsonObject): Promise<void> {
  const x3dh = object(transcript.x3dh)
  const { alice, bob } = await agree(transcript)
  const [aliceState, bobState] = [readState(transcript.alice0), readState(transcript.bob0)]
  assert.equal(aliceState.versions.current, number(transcript, 'e2eVersion'))
  const rcv = initRcvRatchet({
    versions: aliceState.versions,
    dhKey: keyOf(x3dh.alice2),
    agreed: alice,
    pqSupport: aliceState.supportKem,
  })
  const snd = initSndRatchet({
    versions: bobState.versions,
    peerDhKey: keyOf(x3dh.alice2).publicKey,
    dhKey: keyOf(x3dh.bobRatchetKey),
    agreed: bob,
  })
  assert.deepEqual(ratchetToJson(rcv), transcript.alice0)
  assert.deepEqual(ratchetToJson(snd), transcript.bob0)
}

/** The state, which our stored form repeats. */
function readState(json: unknown): Ratchet {
  const ratchet = ratchetFromJson(json)
  assert.deepEqual(ratchetToJson(ratchet), json)
  return ratchet
}

function pqOf({ pqSet }: JsonObject): boolean | undefined {
  assert.ok(pqSet === null || typeof pqSet === 'boolean', 'pqSet is neither null nor a boolean')
  return pqSet ?? undefined
}

function checkEncrypt(step: JsonObject, party: Party): void {
  expectKeys(
    step,
    ...['ad', 'after', 'by', 'cipher', 'encHeader', 'messageIv', 'messageKey', 'msg', 'op', 'paddedLen', 'plain'],
    'pqSet',
  )
  const after = readState(step.after)
  const result = encryptHeader(readState(party.ratchet), {
    pq: pqOf(step),
    maxVersion: after.versions.maxSupported,
  })
  const { encryptKey } = result
  sameBytes(encryptKey.associatedData, hex(step, 'ad'))
  sameBytes(encryptKey.messageKey.key, hex(step, 'messageKey'))
  sameBytes(encryptKey.messageKey.iv, hex(step, 'messageIv'))
  sameBytes(encryptKey.header, hex(step, 'encHeader'))
  const stored = decode(messageEncryptKeyCodec, encode(messageEncryptKeyCodec, encryptKey))
  sameBytes(encryptBody(stored, number(step, 'paddedLen'), hex(step, 'plain')), hex(step, 'cipher'))
  assert.deepEqual(ratchetToJson(result.ratchet), step.after)
}

function readSkipped(json: unknown): SkippedKey[] {
  assert.ok(Array.isArray(json), 'skipped keys are not a list')
  return json.map((item) => {
    const entry = object(item)
    expectKeys(entry, 'headerKey', 'messageIv', 'messageKey', 'n')
    return {
      headerKey: hex(entry, 'headerKey'),
      number: number(entry, 'n'),
      messageKey: { key: hex(entry, 'messageKey'), iv: hex(entry, 'messageIv') },
    }
  })
}

function sorted(keys: Iterable<SkippedKey>): string[] {
  const line = ({ headerKey, number, messageKey: { key, iv } }: SkippedKey) =>
    `${[headerKey, key, iv].map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')} ${number}`
  return [...keys].map(line).sort()
}

async function checkDecrypt(step: JsonObject, party: Party): Promise<void> {
  expectKeys(step, 'after', 'by', 'cipher', 'msg', 'op', 'plain', 'skippedAfter')
  const before = readState(party.ratchet)
  const skipped = new SkippedKeyMap(readSkipped(party.skipped))
  const random = randomOf(await loadSntrup761(), readState(step.after))
  const needed = openMessage(before, skipped, hex(step, 'cipher')).needsKemKeyPair
  const { outcome, ratchet, skippedKeys } = decryptMessage(before, skipped, hex(step, 'cipher'), random)
  assert.ok(outcome.ok, 'not decrypted')
  sameBytes(outcome.body, hex(step, 'plain'))
  assert.equal(random.kemKeyPairsGiven, needed ? 1 : 0)
  skipped.apply(skippedKeys)
  assert.deepEqual(sorted(skipped), sorted(readSkipped(step.skippedAfter)))
  assert.deepEqual(ratchetToJson(ratchet), step.after)
}

/**
 * The keys that the step made by chance, taken from the state after it. That the secret is in the ciphertext is shown
 * where the other side decapsulates it.
 */
function randomOf(kem: Sntrup761, after: Ratchet): RatchetRandom & { readonly kemKeyPairsGiven: number } {
  let given = 0
  return {
    dhKey: (algorithm) => (after.dhKey.is(algorithm) ? after.dhKey : noDhKeys()),
    kemKeyPair(): KemKeyPair {
      given++
      return after.kem?.keyPair ?? assert.fail('the state after the step has no KEM key pair')
    },
    kem: {
      decapsulate: (secretKey, ciphertext) => kem.decapsulate(secretKey, ciphertext),
      encapsulate(publicKey) {
        const accepted = after.kem?.accepted ?? assert.fail('nothing was encapsulated in this step')
        sameBytes(publicKey, accepted.peerKey)
        return accepted
      },
    },
    get kemKeyPairsGiven() {
      return given
    },
  }
}

/** Transcripts of two parties, state by state. */
export const coverage: VectorFile[] = [
  { file: 'sx-ratchet.json', cases: (data) => sectionCases(data, { transcripts }) },
]
