import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { AcnNode } from '@parley/acn/node'
import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL } from '@parley/acn/peer'
import {
  type AcnMessage,
  type AgentRecord,
  decodeAcnMessage,
  decodeEnvelope,
  encodeAcnMessage,
  encodeFrame,
  FrameDecoder,
  STATUS,
} from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { object, text, type VectorCase, type VectorFile } from '../../../core/test/vectors/vector-file.ts'
import { agent, envelopeBytes, otherPeerKey } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { peerSettings } from '../node/network.ts'
import { openTo, readAll, stranger } from '../peer/host/stranger.ts'
import { newRecord } from '../peer/test-peer.ts'
import { deviationOf, type Outcome } from './acn-deviations.ts'

/** A stranger with the key for which its agent's record is, and a node. */
interface Scene {
  readonly node: AcnNode
  readonly record: AgentRecord
  /** Sends a body on a stream of its own; what came, and how the stream ended. */
  say(protocol: string, body: Uint8Array): Promise<Outcome>
}

async function onStage(run: (scene: Scene) => Promise<void>): Promise<void> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'acn-vectors-'))
  const node = await AcnNode.start({ settings: peerSettings(), dataFolder })
  const privateKey = randomBytes(32)
  const from = await stranger(['noise'], { privateKey: privateKeyFromRaw(privateKey) })
  const say = async (protocol: string, body: Uint8Array): Promise<Outcome> => {
    const stream = await openTo(from, node.multiaddr ?? '', protocol)
    const answer = readAll(stream)
    stream.send(encodeFrame(body))
    await stream.close().catch(() => {})
    const { bytes, reset } = await answer
    return { codes: codesIn(bytes), isOpen: !reset }
  }
  try {
    await run({ node, say, record: newRecord(new PeerKey(privateKey).publicKeyHex) })
  } finally {
    await from.stop()
    await node.stop()
    await rm(dataFolder, { recursive: true, force: true })
  }
}

function codesIn(bytes: Uint8Array): number[] {
  const decoder = new FrameDecoder()
  decoder.push(bytes)
  const codes: number[] = []
  for (let body = decoder.next(); body; body = decoder.next()) {
    const message = decodeAcnMessage(body)
    if (message.type === 'status') codes.push(message.body?.code ?? -1)
  }
  return codes
}

const GARBAGE = Uint8Array.of(0xff, 0xff)
const PROTOCOLS: Readonly<Record<string, string>> = {
  '/aea': ENVELOPE_PROTOCOL,
  '/aea-address': ADDRESS_PROTOCOL,
  '/aea-register': REGISTER_PROTOCOL,
}

/** What the cases send, made with keys of ours. */
const SENT: Readonly<Record<string, (record: AgentRecord) => AcnMessage | Uint8Array>> = {
  'aea_envelope without record': ({ address }) => ({ type: 'aeaEnvelope', envelope: envelopeBytes(address, 'x') }),
  'lookup request': () => ({ type: 'lookupRequest', agentAddress: 'x' }),
  garbage: () => GARBAGE,
  'register without record': () => ({ type: 'register' }),
  'good PoR, unknown target': (record) => envelopeOf(record),
  'PoR for another peer key': () => envelopeOf(newRecord(otherPeerKey.publicKeyHex)),
  good: (record) => ({ type: 'register', record }),
}

function envelopeOf(record: AgentRecord): AcnMessage {
  return { type: 'aeaEnvelope', envelope: envelopeBytes(record.address, 'nobody'), record }
}

/** `reply <frame> … end <nil>`, or that the stream was reset without one. */
function outcomeOf(result: string): Outcome {
  const [, frame = ''] = /^reply ([0-9a-f]*)/.exec(result) ?? []
  return { codes: codesIn(Buffer.from(frame, 'hex')), isOpen: frame !== '' && !/end stream reset/.test(result) }
}

const STREAM = /^stream (\/\S+): (.*)$/

function* caseOf(name: string, result: string): Iterable<VectorCase> {
  const [, path = '', what = ''] = STREAM.exec(name) ?? []
  const protocol = PROTOCOLS[path]
  const sent = SENT[what]
  if (protocol !== undefined && sent) {
    const run = () =>
      onStage(async ({ say, record }) => {
        const message = sent(record)
        const expected = deviationOf(name) ?? outcomeOf(result)
        const { codes, isOpen } = await say(
          protocol,
          message instanceof Uint8Array ? message : encodeAcnMessage(message),
        )
        assert.deepEqual({ codes, isOpen }, { codes: expected.codes, isOpen: expected.isOpen })
        // It serves on.
        const next = await say(ENVELOPE_PROTOCOL, encodeAcnMessage({ type: 'empty' }))
        assert.deepEqual(next, { codes: [STATUS.ERROR_UNEXPECTED_PAYLOAD], isOpen: true })
      })
    yield { name: `peer: ${name}`, run }
  }
  if (name === 'libp2p stream -> node -> delegate big') yield { name: `peer: ${name}`, run: () => checkLarge(result) }
}

/** Sizes that came from a peer and arrived at a delegate whole. */
async function checkLarge(result: string): Promise<void> {
  const sizes = [...result.matchAll(/\((\d+), \1\)/g)].map(([, size]) => Number(size))
  assert.ok(sizes.length > 0)
  await onStage(async ({ node, say, record }) => {
    const { identity, address } = agent(21)
    const delegate = await FramePeer.tls(node.delegatePort ?? 0)
    await delegate.frames.take()
    delegate.send({ type: 'register', record: await identity.recordFor(node.key.publicKeyHex) })
    assert.equal(await delegate.status(), STATUS.SUCCESS)
    for (const size of sizes) {
      const content = randomBytes(size)
      const envelope = envelopeBytes(record.address, address, content)
      const answer = say(ENVELOPE_PROTOCOL, encodeAcnMessage({ type: 'aeaEnvelope', envelope, record }))
      const got = await delegate.next()
      assert.ok(got?.type === 'aeaEnvelope')
      assert.ok(content.equals(decodeEnvelope(got.envelope).message))
      delegate.send(SUCCESS)
      assert.deepEqual(await answer, { codes: [STATUS.SUCCESS], isOpen: true })
    }
    delegate.destroy()
  })
}

function* cases(data: unknown): Iterable<VectorCase> {
  if (!Array.isArray(data)) return
  for (const item of data) {
    const entry = object(item)
    if ('case' in entry) yield* caseOf(text(entry, 'case'), text(entry, 'result'))
  }
}

/** Bad input on the streams of peers: codes, how the stream ends, and the node lives. */
export const coverage: VectorFile[] = [
  { file: 'acn-negative.json', cases },
  { file: 'acn-negative2.json', cases },
]
