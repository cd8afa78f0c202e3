import assert from 'node:assert/strict'
import { formatConnectionRequest, parseConnectionRequest } from '@parley/agent/links'
import {
  type AgentEnvelopeType,
  type AgentMessage,
  type AMessage,
  agentEnvelopeCodec,
  agentMessageCodec,
} from '@parley/agent/protocol'
import { PublicKey, SNTRUP761_CIPHERTEXT_LENGTH, SNTRUP761_PUBLIC_KEY_LENGTH } from '@parley/core/crypto'
import { decode, encode } from '@parley/core/encoding'
import { formatSmpServer, parseSmpServer } from '@parley/smp/protocol'
import {
  each,
  expectKeys,
  fromHex,
  hex,
  type JsonObject,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

/** The first word of an entry's name is the original's constructor. */
const ENVELOPES: Readonly<Record<string, AgentEnvelopeType>> = {
  AgentConfirmation: 'confirmation',
  AgentMsgEnvelope: 'message',
  AgentInvitation: 'invitation',
  AgentRatchetKey: 'ratchetKey',
}

const MESSAGES: Readonly<Record<string, AgentMessage['type'] | AMessage['type']>> = {
  AgentConnInfo: 'connInfo',
  AgentConnInfoReply: 'connInfoReply',
  AgentRatchetInfo: 'ratchetInfo',
  HELLO: 'HELLO',
  A_MSG: 'A_MSG',
  A_RCVD: 'A_RCVD',
  A_QCONT: 'A_QCONT',
  QADD: 'QADD',
  QKEY: 'QKEY',
  QUSE: 'QUSE',
  QTEST: 'QTEST',
  EREADY: 'EREADY',
}

function typeNamed<T>(names: Readonly<Record<string, T>>, entry: JsonObject): T {
  const [word = ''] = text(entry, 'name').split(' ')
  return names[word] ?? assert.fail(`unknown constructor ${word}`)
}

function checkEnvelope(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'name')
  const envelope = decode(agentEnvelopeCodec, hex(entry, 'hex'))
  assert.equal(envelope.type, typeNamed(ENVELOPES, entry))
  sameBytes(encode(agentEnvelopeCodec, envelope), hex(entry, 'hex'))
}

function checkMessage(entry: JsonObject): void {
  expectKeys(entry, 'hex', 'name')
  const message = decode(agentMessageCodec, hex(entry, 'hex'))
  assert.equal(message.type === 'message' ? message.message.type : message.type, typeNamed(MESSAGES, entry))
  sameBytes(encode(agentMessageCodec, message), hex(entry, 'hex'))
}

/** A value that envelopes or messages were made with. */
function value(check: (section: string) => void): SectionCheck {
  return function* (section, name) {
    yield { name, run: () => check(String(section)) }
  }
}

function usedIn(file: JsonObject, section: string): void {
  const entries = [file.envelopes, file.messages].flat().map((item) => object(item).hex)
  assert.ok(
    entries.some((bytes) => typeof bytes === 'string' && bytes.includes(section)),
    'no entry holds this value',
  )
}

function key(spki: string, file?: JsonObject): void {
  sameBytes(PublicKey.fromSpki(fromHex(spki)).spki, fromHex(spki))
  if (file) usedIn(file, spki)
}

/** Envelopes and messages between agents. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-agent.json',
    cases(data) {
      const file = object(data)
      return sectionCases(file, {
        envelopes: each(checkEnvelope),
        messages: each(checkMessage),
        dhKeySPKI: value((spki) => key(spki, file)),
        edKeySPKI: value((spki) => key(spki)),
        x3dh1SPKI: value((spki) => key(spki, file)),
        x3dh2SPKI: value((spki) => key(spki, file)),
        kemCt: value((bytes) => assert.equal(fromHex(bytes).length, SNTRUP761_CIPHERTEXT_LENGTH)),
        kemPk: value((bytes) => {
          assert.equal(fromHex(bytes).length, SNTRUP761_PUBLIC_KEY_LENGTH)
          usedIn(file, bytes)
        }),
        prevMsgHash: value((bytes) => usedIn(file, bytes)),
        senderId: value((bytes) => usedIn(file, bytes)),
        server: value((address) => assert.equal(formatSmpServer(parseSmpServer(address).server), address)),
        invitationUri: value((uri) => {
          assert.equal(formatConnectionRequest(parseConnectionRequest(uri)), uri)
          usedIn(file, Buffer.from(uri).toString('hex'))
        }),
      })
    },
  },
]
