import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { createSessionCertificate, DelegateServer, type DelegateServerOptions } from '@parley/acn/delegate'
import type { AgentRecord } from '@parley/acn/protocol'
import { peerKey } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

const certificate = createSessionCertificate(peerKey)

/** A delegate port with an in-memory node behind it, closed at the end of the test. */
export async function delegateNode(t: TestContext, options: Partial<DelegateServerOptions> = {}) {
  const node = new MemoryNode()
  const errors: unknown[] = []
  const server = await DelegateServer.listen({
    host: '127.0.0.1',
    port: 0,
    peerKey,
    certificate,
    handler: node,
    onError: (error) => errors.push(error),
    ...options,
  })
  t.after(() => server.close())
  return { node, server, errors, certificate }
}

/** A client that registered as others do; the signature frame is thrown away. */
export async function registered(t: TestContext, port: number, record: AgentRecord): Promise<FramePeer> {
  const peer = await FramePeer.tls(port)
  t.after(() => peer.destroy())
  await peer.frames.take()
  peer.send({ type: 'register', record })
  assert.equal(await peer.status(), 0)
  return peer
}
