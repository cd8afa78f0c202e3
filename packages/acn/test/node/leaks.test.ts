import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryObjects } from 'node:v8'
import { STATUS } from '@parley/acn/protocol'
import { FrameConnection } from '../../src/entrance/frame-connection.ts'
import { PairSender } from '../../src/routing/pair-sender.ts'
import { envelopeBytes, until } from '../entrance/agents.ts'
import { FramePeer } from '../entrance/frame-peer.ts'
import { newIdentity, numbered, peerSettings, startNode } from './network.ts'

/** Objects of a class that something still holds, after a full collection: one look takes a second. */
function living(kind: { readonly prototype: object }): number {
  return queryObjects(kind as unknown as () => void, { format: 'count' })
}

test('a connection leaves nothing behind, nor does a pair of agents after its last envelope', async (t) => {
  const node = await startNode(t, peerSettings(), {
    storeLimits: { maxAge: 5_000 },
    routing: { firstLookup: 20, laterLookup: 20 },
  })
  for (let round = 0; round < 4; round++) {
    const peer = await FramePeer.tls(node.delegatePort ?? 0)
    await peer.frames.take()
    const { address, recordFor } = newIdentity()
    peer.send({ type: 'register', record: await recordFor(node.key.publicKeyHex) })
    assert.equal(await peer.status(), STATUS.SUCCESS)
    const strangers = numbered(50, `nobody of round ${round}`)
    for (const to of strangers) peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(address, to) })
    for (const _ of strangers) assert.equal(await peer.status(), STATUS.SUCCESS)
    peer.destroy()
  }
  assert.ok(living(PairSender) > 0, 'the envelopes of clients that have gone are still tried')
  await until(() => node.router.waiting === 0)
  await until(() => t.signal.aborted || living(PairSender) + living(FrameConnection) === 0)
})
