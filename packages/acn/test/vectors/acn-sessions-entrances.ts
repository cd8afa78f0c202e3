import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createSessionCertificate, DelegateServer } from '@parley/acn/delegate'
import { NodePipe } from '@parley/acn/pipe'
import { type AcnMessage, decodeAcnMessage, decodeEnvelope } from '@parley/acn/protocol'
import { PeerKey, verifySessionCertificate } from '@parley/acn/record'
import {
  hex,
  isObject,
  object,
  sameBytes,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { agent, peerKey } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

interface Frame {
  readonly isFromAgent: boolean
  /** With the length. */
  readonly bytes: Uint8Array
  readonly body: Uint8Array
}

function framesOf(session: unknown): Frame[] {
  const { frames } = object(session)
  assert.ok(Array.isArray(frames))
  return frames.map(object).map((frame) => {
    const bytes = hex(frame, 'hex')
    return { isFromAgent: text(frame, 'dir') === 'agent->node', bytes, body: bytes.subarray(4) }
  })
}

/** Plays the agent's part; the node is given what it gave then, and has to write the same bytes. */
async function replay(frames: readonly Frame[], peer: FramePeer, node: MemoryNode): Promise<void> {
  for (const { isFromAgent, bytes, body } of frames) {
    const message: AcnMessage = decodeAcnMessage(body)
    if (isFromAgent) {
      // Whatever it is for is known here, so that the answer is the one of then.
      if (message.type === 'aeaEnvelope') node.queue(decodeEnvelope(message.envelope).to)
      peer.sendRaw(bytes)
      continue
    }
    if (message.type === 'aeaEnvelope') node.deliver(decodeEnvelope(message.envelope).to, message.envelope)
    const got = await peer.frames.take()
    assert.ok(got, 'connection has ended')
    sameBytes(got, body)
  }
}

async function replayDelegate(frames: readonly Frame[], key: PeerKey): Promise<void> {
  const node = new MemoryNode()
  const certificate = createSessionCertificate(key)
  const server = await DelegateServer.listen({ host: '127.0.0.1', port: 0, peerKey: key, certificate, handler: node })
  try {
    const peer = await FramePeer.tls(server.port)
    const signature = await peer.frames.take()
    assert.ok(signature && verifySessionCertificate(key.publicKey, certificate.certificate, signature))
    await replay(frames.slice(1), peer, node)
    peer.destroy()
  } finally {
    await server.close()
  }
}

async function replayPipe(frames: readonly Frame[]): Promise<void> {
  const node = new MemoryNode()
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const connected = once(listener, 'connection') as Promise<[Socket]>
  const { port } = listener.address() as import('node:net').AddressInfo
  // The record says who the agent is: that of the session is not in the file, so it is the one that envelopes are for.
  const first = frames.find(({ isFromAgent }) => !isFromAgent)
  assert.ok(first)
  const message = decodeAcnMessage(first.body)
  assert.ok(message.type === 'aeaEnvelope')
  const address = decodeEnvelope(message.envelope).to
  const pipe = await NodePipe.connect({ port, record: { ...agent(1).record, address }, handler: node })
  try {
    const [socket] = await connected
    const peer = new FramePeer(socket)
    await replay(frames, peer, node)
    peer.destroy()
  } finally {
    await pipe.close()
    listener.close()
  }
}

/** Real sessions, at our node's entrances. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-sessions.json',
    *cases(data): Iterable<VectorCase> {
      if (!isObject(data) || !isObject(data.node) || !Array.isArray(data.sessions)) return
      const key = 'privateKeyHex' in data.node ? new PeerKey(hex(data.node, 'privateKeyHex')) : peerKey
      for (const [index, session] of data.sessions.entries()) {
        const name = `replayed session[${index}]`
        if (object(session).transport === 'tls') yield { name, run: () => replayDelegate(framesOf(session), key) }
        else yield { name, run: () => replayPipe(framesOf(session)) }
      }
    },
  },
]
