import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createSessionCertificate, DelegateServer } from '@parley/acn/delegate'
import {
  type AcnMessage,
  AcnStatusError,
  type AgentRecord,
  decodeAcnMessage,
  decodeEnvelope,
  encodeAcnMessage,
  encodeFrame,
  FrameDecoder,
  MAX_FRAME_LENGTH,
  MAX_REGISTER_LENGTH,
  STATUS,
} from '@parley/acn/protocol'
import { verifyRepresentation } from '@parley/acn/record'
import { DecodeError } from '@parley/core/encoding'
import { hex, object, text, type VectorCase, type VectorFile } from '../../../core/test/vectors/vector-file.ts'
import { agent, envelopeBytes, otherPeerKey, peerKey } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'
import { DATES_OVER, deviationOf, type Outcome } from './acn-deviations.ts'

const certificate = createSessionCertificate(peerKey)
const alice = agent(11)
const bob = agent(12)
const eve = agent(13, 'ethereum')
/** Never attached: envelopes for it wait. */
const carol = agent(14)

/** A delegate port for one case. */
async function withServer(run: (port: number, node: MemoryNode) => Promise<void>, publicKeyHex = peerKey.publicKeyHex) {
  const node = new MemoryNode()
  // What is for an agent that nobody knows yet waits, too.
  for (const address of [carol.address, 'nobody']) node.queue(address)
  const server = await DelegateServer.listen({
    host: '127.0.0.1',
    port: 0,
    peerKey: { publicKeyHex },
    certificate,
    handler: node,
    pump: { answerTimeoutMs: 60 },
  })
  try {
    await run(server.port, node)
  } finally {
    await server.close()
  }
}

/** Connects and throws away the signature. */
async function connected(port: number): Promise<FramePeer> {
  const peer = await FramePeer.tls(port)
  await peer.frames.take()
  return peer
}

async function registered(port: number, record: AgentRecord = alice.record): Promise<FramePeer> {
  const peer = await connected(port)
  peer.send({ type: 'register', record })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  return peer
}

/** The node serves others after whatever happened. */
async function expectAlive(port: number): Promise<void> {
  const peer = await registered(port, bob.record)
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, bob.address) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  peer.destroy()
}

/** Whether the connection is used further: an envelope is answered. */
async function expectOpen(peer: FramePeer, from: string): Promise<void> {
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(from, carol.address) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
}

/** What the original answered: codes of its statuses, and whether the connection lived. */
function outcomeOf(result: string): Outcome {
  const [, frames = '', fate] = /^(?:reg=0 )?([0-9a-f]*)\|(open|EOF)/.exec(result) ?? []
  const decoder = new FrameDecoder()
  decoder.push(Buffer.from(frames, 'hex'))
  const codes: number[] = []
  for (let body = decoder.next(); body; body = decoder.next()) {
    const message = decodeAcnMessage(body)
    if (message.type === 'status') codes.push(message.body?.code ?? -1)
  }
  return { codes, isOpen: fate === 'open' }
}

const v0 = `${eve.record.signature.slice(0, -2)}00`
const { record } = alice

/** The first frames that the cases send, made with keys of ours. */
const FIRST: Readonly<Record<string, AcnMessage | Uint8Array>> = {
  'good register': { type: 'register', record },
  "wrong address (other agent's)": { type: 'register', record: { ...record, address: bob.address } },
  'unsupported ledger': { type: 'register', record: { ...record, ledgerId: 'bitcoin' } },
  'empty ledger': { type: 'register', record: { ...record, ledgerId: '' } },
  'wrong peer public key': { type: 'register', record: { ...record, peerPublicKey: otherPeerKey.publicKeyHex } },
  'signature not base64': { type: 'register', record: { ...record, signature: '!!!' } },
  'signature empty': { type: 'register', record: { ...record, signature: '' } },
  'no service id': { type: 'register', record: { ...record, serviceId: '' } },
  'other service id': { type: 'register', record: { ...record, serviceId: 'other' } },
  'uppercase public key hex': { type: 'register', record: { ...record, publicKey: record.publicKey.toUpperCase() } },
  'ethereum good': { type: 'register', record: eve.record },
  'ethereum signature without 0x': {
    type: 'register',
    record: { ...eve.record, signature: eve.record.signature.slice(2) },
  },
  'ethereum signature v=0/1': { type: 'register', record: { ...eve.record, signature: v0 } },
  'ethereum lower-case address': {
    type: 'register',
    record: { ...eve.record, address: eve.record.address.toLowerCase() },
  },
  "ethereum public key '0x'": { type: 'register', record: { ...eve.record, publicKey: '0x' } },
  "ethereum public key '0'": { type: 'register', record: { ...eve.record, publicKey: '0' } },
  'ethereum public key prefix zz': {
    type: 'register',
    record: { ...eve.record, publicKey: `zz${eve.record.publicKey.slice(2)}` },
  },
  'register without record (4200)': { type: 'register' },
  'empty AcnMessage: frame len 0': new Uint8Array(4),
  'lookup request on delegate port': { type: 'lookupRequest', agentAddress: alice.address },
  'length 3 MiB+1': Buffer.from('00300001', 'hex'),
}

/** What is sent after a registration that succeeded. */
const AFTER: Readonly<Record<string, AcnMessage | Uint8Array>> = {
  'after reg: status without body (4a00)': { type: 'status' },
  'after reg: lookup request': { type: 'lookupRequest', agentAddress: 'x' },
  'after reg: bad envelope bytes': { type: 'aeaEnvelope', envelope: Uint8Array.of(0xff, 0xff) },
  'after reg: empty aea_envelope (2a00)': Buffer.from('000000022a00', 'hex'),
  'after reg: to unknown agent': { type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, 'nobody') },
}

/** Where the first recording of a case met a node that was starting again. */
const NOT_RECORDED = /^EXC /

function write(peer: FramePeer, sent: AcnMessage | Uint8Array): void {
  if (sent instanceof Uint8Array) peer.sendRaw(sent)
  else peer.send(sent)
}

async function checkAnswer(name: string, result: string): Promise<void> {
  const first = FIRST[name]
  const after = AFTER[name]
  const sent = first ?? after
  assert.ok(sent)
  await withServer(async (port) => {
    const expected = deviationOf(name) ?? outcomeOf(result)
    const peer = first ? await connected(port) : await registered(port)
    write(peer, sent)
    for (const code of expected.codes) assert.equal(await peer.status(), code)
    const address = sent instanceof Uint8Array || sent.type !== 'register' ? alice.address : sent.record?.address
    if (expected.isOpen) await expectOpen(peer, address ?? '')
    else assert.equal(await peer.next(), undefined)
    peer.destroy()
    await expectAlive(port)
  })
}

/** An envelope of this size is acknowledged and delivered as it was, unless it is longer than a frame may be. */
async function checkSize(size: number): Promise<void> {
  await withServer(async (port) => {
    const peer = await registered(port)
    const envelope = envelopeBytes(alice.address, alice.address, Buffer.alloc(size, 0xaa))
    const body = encodeAcnMessage({ type: 'aeaEnvelope', envelope })
    if (body.length > MAX_FRAME_LENGTH) {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(body.length)
      peer.sendRaw(Buffer.concat([header, body.subarray(0, 1000)]))
      assert.equal(await peer.next(), undefined)
    } else {
      peer.sendRaw(encodeFrame(body))
      assert.equal(await peer.status(), STATUS.SUCCESS)
      const got = await peer.next()
      assert.ok(got?.type === 'aeaEnvelope')
      assert.ok(Buffer.from(got.envelope).equals(envelope))
    }
    peer.destroy()
    await expectAlive(port)
  })
}

/** Cases that are about how bytes are divided, and about waiting. */
const BEHAVIOUR: Readonly<Record<string, () => Promise<void>>> = {
  'frame split in two TLS records': () =>
    withServer(async (port) => {
      const peer = await registered(port)
      const envelope = envelopeBytes(alice.address, alice.address, Buffer.alloc(500, 0x78))
      const frame = encodeFrame(encodeAcnMessage({ type: 'aeaEnvelope', envelope }))
      for (const part of [frame.subarray(0, 2), frame.subarray(2, 300), frame.subarray(300)]) {
        await new Promise((written) => peer.socket.write(part, written))
      }
      assert.equal(await peer.status(), STATUS.SUCCESS)
      const got = await peer.next()
      assert.ok(got?.type === 'aeaEnvelope')
      assert.ok(Buffer.from(got.envelope).equals(envelope))
      peer.destroy()
    }),
  'two frames in one TLS record': () =>
    withServer(async (port) => {
      const peer = await registered(port)
      const envelope = envelopeBytes(alice.address, carol.address)
      const frame = encodeFrame(encodeAcnMessage({ type: 'aeaEnvelope', envelope }))
      peer.sendRaw(Buffer.concat([frame, frame]))
      assert.equal(await peer.status(), STATUS.SUCCESS)
      assert.equal(await peer.status(), STATUS.SUCCESS)
      await expectOpen(peer, alice.address)
      peer.destroy()
    }),
  'receiver never acks': () =>
    withServer(async (port, node) => {
      const peer = await registered(port)
      for (const message of ['1', '2', '3']) {
        node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
      }
      for (const message of ['1', '2', '3']) {
        const got = await peer.next()
        assert.ok(got?.type === 'aeaEnvelope')
        assert.equal(Buffer.from(decodeEnvelope(got.envelope).message).toString(), message)
      }
      // It still waits: an answer that comes now settles the first.
      peer.send(SUCCESS)
      await expectOpen(peer, alice.address)
      assert.equal(node.queue(alice.address).waiting.length, 2)
      peer.destroy()
    }),
  'silent TCP connection (no ClientHello)': () =>
    withServer(async (port) => {
      const silent = connect(port, '127.0.0.1')
      silent.on('error', () => {})
      await once(silent, 'connect')
      await expectAlive(port)
      silent.destroy()
    }),
}

const SIZE = /^(?:envelope body (\d+) B to self via delegate|delegate A->B body (\d+))$/

function* caseOf(name: string, result: string): Iterable<VectorCase> {
  const title = `delegate: ${name}`
  if ((FIRST[name] || AFTER[name]) && (deviationOf(name) || !NOT_RECORDED.test(result))) {
    yield { name: title, run: () => checkAnswer(name, result) }
  }
  const behaviour = BEHAVIOUR[name]
  if (behaviour) yield { name: title, run: behaviour }
  const size = SIZE.exec(name)
  if (size) yield { name: title, run: () => checkSize(Number(size[1] ?? size[2])) }
}

/** The code that a first frame comes to, as the codecs and the proof say; undefined when it cannot be read. */
function expectedCode(bytes: Uint8Array, publicKeyHex: string): number | undefined {
  const decoder = new FrameDecoder({ maxLength: MAX_REGISTER_LENGTH })
  decoder.push(bytes)
  try {
    const body = decoder.next()
    if (!body) return undefined
    const message = decode(body)
    if (message.type !== 'register' || !message.record) return STATUS.ERROR_UNEXPECTED_PAYLOAD
    const { address } = message.record
    verifyRepresentation(message.record, { expectedAddress: address, representativePublicKey: publicKeyHex })
    return STATUS.SUCCESS
  } catch (error) {
    if (error instanceof AcnStatusError) return error.code
    assert.ok(error instanceof DecodeError)
    return undefined
  }
}

function decode(body: Uint8Array): AcnMessage {
  try {
    return decodeAcnMessage(body)
  } catch {
    throw new AcnStatusError(STATUS.ERROR_DECODE, 'cannot be decoded')
  }
}

/** The bytes that were sent to the original, sent to ours: of the peer that they name. */
async function checkSent(bytes: Uint8Array): Promise<void> {
  const decoder = new FrameDecoder()
  decoder.push(bytes.length > 8 ? bytes : new Uint8Array())
  const body = decoder.next()
  const message = body && decodeAcnMessage(body)
  const peerPublicKey = (message?.type === 'register' && message.record?.peerPublicKey) || peerKey.publicKeyHex
  const code = expectedCode(bytes, peerPublicKey)
  const notAfter = (message?.type === 'register' && message.record?.notAfter) || ''
  if (Date.parse(notAfter) < Date.now()) assert.equal(code, deviationOf(DATES_OVER)?.codes[0])
  await withServer(async (port) => {
    const peer = await connected(port)
    peer.sendRaw(bytes)
    if (code !== undefined) assert.equal(await peer.status(), code)
    if (code !== STATUS.SUCCESS) assert.equal(await peer.next(), undefined)
    peer.destroy()
    const other = await connected(port)
    other.send({ type: 'empty' })
    assert.equal(await other.status(), STATUS.ERROR_UNEXPECTED_PAYLOAD)
  }, peerPublicKey)
}

function* cases(data: unknown): Iterable<VectorCase> {
  if (!Array.isArray(data)) return
  for (const [index, item] of data.entries()) {
    const entry = object(item)
    if ('send' in entry) yield { name: `delegate: sent [${index}]`, run: () => checkSent(hex(entry, 'send')) }
    else yield* caseOf(text(entry, 'case'), text(entry, 'result'))
  }
}

/** Bad input at the delegate port, over TLS: codes and the fate of the connection, and the node lives. */
export const coverage: VectorFile[] = [
  { file: 'acn-negative.json', cases },
  { file: 'acn-negative2.json', cases },
]
