// How the bytes of frames are divided, and how many they are: the Go node's agents have to care, ours do not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type AcnMessage, decodeEnvelope, encodeAcnMessage, encodeFrame, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { envelopeBytes } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { newIdentity, numbered, peerSettings, startNode } from './network.ts'

/** Bytes of contents: around one TLS record, around the sizes that the Go node spoils on a pipe, and close to the limit. */
const SIZES = [16_000, 16_384, 20_000, 65_536, 131_072, 262_144, 1_048_576, 3 * 1024 * 1024 - 1_000]

interface PlainAgent {
  readonly address: string
  readonly peer: FramePeer
}

/** A node with an agent at its pipe and a delegate, both of which know frames and nothing else. */
async function nodeWithAgents(t: TestContext): Promise<{ readonly direct: PlainAgent; readonly delegate: PlainAgent }> {
  const [own, other] = [newIdentity(), newIdentity()]
  const settings = peerSettings()
  const peerPublicKey = new PeerKey(settings.peerKey).publicKeyHex
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const connection = once(server, 'connection') as Promise<[Socket]>
  const { port } = server.address() as AddressInfo
  const pipe = { agentAddress: own.address, port }
  const node = await startNode(t, { ...settings, pipe, record: await own.recordFor(peerPublicKey) })
  const direct = new FramePeer((await connection)[0])
  const delegate = await FramePeer.tls(node.delegatePort ?? 0)
  t.after(() => {
    direct.destroy()
    delegate.destroy()
  })
  await delegate.frames.take()
  delegate.send({ type: 'register', record: await other.recordFor(peerPublicKey) })
  assert.equal(await delegate.status(), STATUS.SUCCESS)
  return { direct: { address: own.address, peer: direct }, delegate: { address: other.address, peer: delegate } }
}

function frameOf(from: PlainAgent, to: PlainAgent, content: string | Uint8Array): Uint8Array {
  const envelope = envelopeBytes(from.address, to.address, content)
  return encodeFrame(encodeAcnMessage({ type: 'aeaEnvelope', envelope }))
}

function contentOf(message: AcnMessage | undefined): Buffer {
  assert.ok(message?.type === 'aeaEnvelope')
  return Buffer.from(decodeEnvelope(message.envelope).message)
}

test('envelopes of 16 KB to 3 MiB, each in one write, from a delegate to a pipe and back', async (t) => {
  const { direct, delegate } = await nodeWithAgents(t)
  for (const size of SIZES) {
    const content = randomBytes(size)
    for (const [from, to] of [
      [delegate, direct],
      [direct, delegate],
    ] as const) {
      from.peer.sendRaw(frameOf(from, to, content))
      assert.ok(contentOf(await to.peer.next()).equals(content), `${size} bytes`)
      to.peer.send(SUCCESS)
      assert.equal(await from.peer.status(), STATUS.SUCCESS)
    }
  }
})

test('frames in two writes, byte by byte, and 400 in one write, at a delegate port and at a pipe', async (t) => {
  const { direct, delegate } = await nodeWithAgents(t)
  /** Written when the socket says that the part before has gone. */
  const writeParts = async ({ socket }: FramePeer, parts: readonly Uint8Array[]) => {
    for (const part of parts) await new Promise((written) => socket.write(part, written))
  }
  for (const [from, to] of [
    [delegate, direct],
    [direct, delegate],
  ] as const) {
    const [header, words, bytes] = ['cut in the header', 'cut in the body', 'byte by byte'].map((content) =>
      frameOf(from, to, content),
    )
    assert.ok(header && words && bytes)
    await writeParts(from.peer, [header.subarray(0, 2), header.subarray(2)])
    await writeParts(from.peer, [words.subarray(0, 20), words.subarray(20)])
    await writeParts(
      from.peer,
      Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)),
    )
    const many = numbered(400)
    from.peer.sendRaw(Buffer.concat(many.map((content) => frameOf(from, to, content))))
    const expected = ['cut in the header', 'cut in the body', 'byte by byte', ...many]
    const got: string[] = []
    while (got.length < expected.length) {
      got.push(contentOf(await to.peer.next()).toString())
      to.peer.send(SUCCESS)
    }
    assert.deepEqual(got, expected)
    for (const _ of expected) assert.equal(await from.peer.status(), STATUS.SUCCESS)
  }
})
