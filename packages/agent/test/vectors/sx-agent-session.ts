import assert from 'node:assert/strict'
import { type AgentMessage, agentEnvelopeCodec, agentMessageCodec } from '@parley/agent/protocol'
import {
  decryptOpened,
  encryptBody,
  encryptedHeaderCodec,
  encryptedMessageCodec,
  openMessage,
  type RatchetRandom,
  SkippedKeyMap,
} from '@parley/agent/ratchet'
import { decryptAead, openBox } from '@parley/core/crypto'
import { type Codec, concatBytes, decode, encode } from '@parley/core/encoding'
import { clientMessageCodec, clientMessageEnvelopeCodec, rcvMessageBodyCodec } from '@parley/smp/protocol'
import {
  expectKeys,
  failing,
  hex,
  isObject,
  type JsonObject,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { CutValues, sameAsEntry } from '../../../smp/test/vectors/cut-values.ts'
import { checkEvent, type DecryptedMessages } from './session-events.ts'
import { readShownRatchet } from './shown-ratchet.ts'

/** A time of the router before 2106 begins with these; client messages begin with `_` or `K`. */
const ROUTER_MESSAGE_START = 0

function sameAfterRoundTrip<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const value = decode(codec, bytes)
  sameBytes(encode(codec, value), bytes)
  return value
}

function whole(entry: JsonObject, key: string, values: CutValues): Uint8Array {
  return values.find(entry, key) ?? assert.fail(`${key} is cut and stands nowhere else`)
}

/** What one agent sealed for a queue or opened: an envelope of the agent, unless it is the router's box around it. */
function checkBox(entry: JsonObject, values: CutValues): void {
  const cipher = values.find(entry, 'cipher')
  const plain = cipher ? openBox(hex(entry, 'secret'), hex(entry, 'nonce'), cipher) : whole(entry, 'plain', values)
  sameAsEntry(plain, entry, 'plain')
  if (plain[0] === ROUTER_MESSAGE_START) {
    const message = decode(rcvMessageBodyCodec, plain)
    if (message.type === 'message') sameAfterRoundTrip(clientMessageEnvelopeCodec, message.body)
    return
  }
  const { body } = sameAfterRoundTrip(clientMessageCodec, plain)
  sameAfterRoundTrip(agentEnvelopeCodec, body)
}

function checkRatchetEncrypt(entry: JsonObject, values: CutValues): void {
  expectKeys(
    entry,
    ...['t', 'kind', 'paddedLen', 'key', 'iv', 'ad', 'plain', 'plainTruncated', 'cipher', 'cipherTruncated'],
  )
  const sent = decode(encryptedMessageCodec, whole(entry, 'cipher', values), { version: 3 })
  const { version } = sameAfterRoundTrip(encryptedHeaderCodec, sent.header)
  const plain = whole(entry, 'plain', values)
  const encryptKey = {
    version,
    associatedData: hex(entry, 'ad'),
    messageKey: { key: hex(entry, 'key'), iv: hex(entry, 'iv') },
    header: sent.header,
  }
  sameAsEntry(encryptBody(encryptKey, Number(entry.paddedLen), plain), entry, 'cipher')
  sameAfterRoundTrip(agentMessageCodec, plain)
}

const noRandom: RatchetRandom = {
  dhKey: () => assert.fail('the chain goes on without a new key'),
  kemKeyPair: () => assert.fail('the chain goes on without a new key'),
  kem: { encapsulate: () => assert.fail('no KEM'), decapsulate: () => assert.fail('no KEM') },
}

/**
 * A message with the ratchet before it, and what came out. The ratchet's private keys are not in the file, so that a
 * message that starts a new chain is decrypted with the key that the file gives.
 */
function checkRatchetDecrypt(entry: JsonObject, next: JsonObject | undefined, values: CutValues): void {
  expectKeys(entry, 't', 'kind', 'ratchet', 'cipher', 'cipherTruncated')
  assert.equal(next?.kind, 'ratchetDecrypted', 'no result follows')
  const result = object(next)
  const [key, iv, plain] = [hex(result, 'key'), hex(result, 'iv'), whole(result, 'plain', values)]
  const ratchet = readShownRatchet(text(entry, 'ratchet'))
  const opened = openMessage(ratchet, new SkippedKeyMap(), whole(entry, 'cipher', values))
  const { message, step } = opened
  const body = decryptAead(key, iv, concatBytes(ratchet.associatedData, message.header), message.tag, message.body)
  sameBytes(body, plain)
  if (step.type !== 'same') return
  const { outcome } = decryptOpened(opened, noRandom)
  assert.ok(outcome.ok)
  sameBytes(outcome.body, plain)
}

function checkRatchetDecrypted(entry: JsonObject, values: CutValues): void {
  expectKeys(entry, 't', 'kind', 'key', 'iv', 'plain', 'plainTruncated')
  sameAfterRoundTrip(agentMessageCodec, whole(entry, 'plain', values))
}

function* partyCases(section: unknown, name: string, values: CutValues): Iterable<VectorCase> {
  if (!Array.isArray(section)) {
    yield failing(name, 'not a list')
    return
  }
  const entries = section.map(object)
  for (const [i, entry] of entries.entries()) {
    const kind = text(entry, 'kind')
    const checks: Readonly<Record<string, () => void>> = {
      cbEncrypt: () => checkBox(entry, values),
      cbDecrypt: () => checkBox(entry, values),
      ratchetEncrypt: () => checkRatchetEncrypt(entry, values),
      ratchetDecrypt: () => checkRatchetDecrypt(entry, entries[i + 1], values),
      ratchetDecrypted: () => checkRatchetDecrypted(entry, values),
    }
    const run = Object.hasOwn(checks, kind) ? checks[kind] : undefined
    const at = `${name}[${i}] ${kind} (agent)`
    if (run) yield { name: at, run }
    else yield { ...failing(at, 'no check understands this entry'), unknownSection: kind }
  }
}

/** The agent messages that each party decrypted, for what its events say of them. */
function decryptedMessages(file: JsonObject, values: CutValues): DecryptedMessages {
  const messages = new Map<string, AgentMessage[]>()
  for (const [party, section] of Object.entries(file)) {
    if (!Array.isArray(section)) continue
    const results = section.filter(isObject).filter(({ kind }) => kind === 'ratchetDecrypted')
    messages.set(
      party,
      results.flatMap((entry) => {
        const plain = values.find(entry, 'plain')
        return plain ? [decode(agentMessageCodec, plain)] : []
      }),
    )
  }
  return messages
}

function cases(data: unknown): Iterable<VectorCase> {
  const file = object(data)
  const values = new CutValues(file)
  const party: SectionCheck = (section, name) => partyCases(section, name, values)
  const events: SectionCheck = function* (section, name) {
    const list = Array.isArray(section) ? section.map(object) : [object(section)]
    for (const [i, event] of list.entries()) {
      const what = `${name}[${i}] ${String(event.what)}`
      yield { name: what, run: () => checkEvent(event, decryptedMessages(file, values)) }
    }
  }
  const parties = Object.entries(file).filter(
    ([name, section]) => name !== 'events' && Array.isArray(section) && section.some((e) => isObject(e) && 'kind' in e),
  )
  return sectionCases(file, { events, ...Object.fromEntries(parties.map(([name]) => [name, party])) })
}

/** The layers above SMP of real sessions: envelopes, the ratchet, agent messages and what the agents reported. */
export const coverage: VectorFile[] = [
  { file: 'sx-session.json', cases },
  { file: 'sx-proxy-session.json', cases },
]
