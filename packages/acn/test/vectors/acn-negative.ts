import assert from 'node:assert/strict'
import {
  AcnStatusError,
  type AgentRecord,
  decodeAcnMessage,
  decodeEnvelope,
  encodeAcnMessage,
  encodeFrame,
  FrameDecoder,
  STATUS,
  statusMessage,
  statusName,
  statusOf,
} from '@parley/acn/protocol'
import { createRecord, ledgerOf, PeerKey, verifyRepresentation } from '@parley/acn/record'
import { DecodeError } from '@parley/core/encoding'
import {
  expectKeys,
  failing,
  hex,
  type JsonObject,
  object,
  sameBytes,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

/** Bytes that were sent to a node: they are decoded, or refused with a typed error, and nothing else happens. */
function checkSent(bytes: Uint8Array): void {
  const decoder = new FrameDecoder()
  decoder.push(bytes)
  let body: Uint8Array | undefined
  try {
    body = decoder.next()
  } catch (error) {
    assert.ok(error instanceof DecodeError)
  }
  if (body) answerTo(body)
}

/** The status that a node's first look at a registering client's frame comes to. */
function answerTo(body: Uint8Array, representativePublicKey?: string): number {
  try {
    const message = decodeAcnMessage(body)
    sameBytes(encodeAcnMessage(message), body)
    if (message.type === 'aeaEnvelope') decodeEnvelope(message.envelope)
    if (message.type !== 'register' || !message.record) return STATUS.ERROR_UNEXPECTED_PAYLOAD
    const { address, peerPublicKey } = message.record
    const expectation = { representativePublicKey: representativePublicKey ?? peerPublicKey }
    verifyRepresentation(message.record, { expectedAddress: address, ...expectation })
    return STATUS.SUCCESS
  } catch (error) {
    if (error instanceof DecodeError) return STATUS.ERROR_DECODE
    if (error instanceof AcnStatusError) return error.code
    throw error
  }
}

const peer = new PeerKey(Buffer.alloc(32, 1))
const otherPeer = new PeerKey(Buffer.alloc(32, 2))

function recordOn(ledgerId: string, privateByte = 3): AgentRecord {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger)
  return createRecord(ledger, { privateKey: Buffer.alloc(32, privateByte), peerPublicKey: peer.publicKeyHex })
}

const fetchaiRecord = recordOn('fetchai')
const ethereumRecord = recordOn('ethereum')

function register(record: AgentRecord): Uint8Array {
  return encodeAcnMessage({ type: 'register', record })
}

const v0 = `${ethereumRecord.signature.slice(0, -2)}00`

/** What the first frames of the files hold, made here with keys of ours: the codes must be those of the file. */
const FIRST_FRAMES: Readonly<Record<string, Uint8Array>> = {
  'good register': register(fetchaiRecord),
  "wrong address (other agent's)": register({ ...fetchaiRecord, address: recordOn('fetchai', 4).address }),
  'unsupported ledger': register({ ...fetchaiRecord, ledgerId: 'bitcoin' }),
  'empty ledger': register({ ...fetchaiRecord, ledgerId: '' }),
  'wrong peer public key': register({ ...fetchaiRecord, peerPublicKey: otherPeer.publicKeyHex }),
  'signature not base64': register({ ...fetchaiRecord, signature: '!!!' }),
  'signature empty': register({ ...fetchaiRecord, signature: '' }),
  'no service id': register({ ...fetchaiRecord, serviceId: '' }),
  'other service id': register({ ...fetchaiRecord, serviceId: 'other' }),
  'uppercase public key hex': register({ ...fetchaiRecord, publicKey: fetchaiRecord.publicKey.toUpperCase() }),
  'ethereum good': register(ethereumRecord),
  'ethereum lower-case address': register({ ...ethereumRecord, address: ethereumRecord.address.toLowerCase() }),
  'ethereum signature without 0x': register({ ...ethereumRecord, signature: ethereumRecord.signature.slice(2) }),
  'ethereum signature v=0/1': register({ ...ethereumRecord, signature: v0 }),
  "ethereum public key '0x'": register({ ...ethereumRecord, publicKey: '0x' }),
  "ethereum public key '0'": register({ ...ethereumRecord, publicKey: '0' }),
  'ethereum public key prefix zz': register({ ...ethereumRecord, publicKey: `zz${ethereumRecord.publicKey.slice(2)}` }),
  'empty AcnMessage: frame len 0': new Uint8Array(),
  'register without record (4200)': encodeAcnMessage({ type: 'register' }),
  'lookup request on delegate port': encodeAcnMessage({ type: 'lookupRequest', agentAddress: fetchaiRecord.address }),
}

/** Frames at the beginning of a result: `<hex>|…`, `reply <hex> …`, `reg=0 <hex>|…`. */
const REPLY = /^(?:reg=\S+ |reply )?([0-9a-f]{8,})(?=[| ]|$)/

function checkCase(entry: JsonObject): void {
  expectKeys(entry, 'case', 'result', 'nodeAlive', 'panic')
  const codes = replyCodes(text(entry, 'result'))
  const frame = FIRST_FRAMES[text(entry, 'case')]
  const [code] = codes
  if (frame && code !== undefined) assert.equal(answerTo(frame, peer.publicKeyHex), code)
}

/** The statuses in a reply, each decoded and encoded again. */
function replyCodes(result: string): number[] {
  const bytes = Buffer.from(REPLY.exec(result)?.[1] ?? '', 'hex')
  const decoder = new FrameDecoder()
  decoder.push(bytes)
  const codes: number[] = []
  for (let body = decoder.next(); body; body = decoder.next()) {
    const message = decodeAcnMessage(body)
    sameBytes(encodeAcnMessage(message), body)
    sameBytes(encodeFrame(body).subarray(4), body)
    if (message.type !== 'status') continue
    const { code, msgs } = statusOf(message)
    assert.ok(statusName(code) !== undefined, `status ${code} is not known`)
    sameBytes(encodeAcnMessage(statusMessage(code, ...msgs)), body)
    codes.push(code)
  }
  assert.equal(decoder.buffered, 0)
  return codes
}

function* cases(data: unknown): Iterable<VectorCase> {
  if (!Array.isArray(data)) return yield failing('file', 'not a list')
  for (const [index, item] of data.entries()) {
    const entry = object(item)
    if ('send' in entry) {
      yield {
        name: `[${index}] sent`,
        run() {
          expectKeys(entry, 'send')
          checkSent(hex(entry, 'send'))
        },
      }
    } else yield { name: `[${index}] ${String(entry.case)}`, run: () => checkCase(entry) }
  }
}

/** Bad input, as far as it can be judged without a node: bytes are decoded or refused, records proven or refused. */
export const coverage: VectorFile[] = [
  { file: 'acn-negative.json', cases },
  { file: 'acn-negative2.json', cases },
]
