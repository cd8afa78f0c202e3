import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEnvelope, encodeEnvelope } from '@parley/acn/protocol'
import { PeerKey, sessionPoint, verifyPeerSignature } from '@parley/acn/record'
import { envelopeBytes } from '../entrance/agents.ts'
import { certificateAt } from '../entrance/framed-agent.ts'
import { ask, inSession, session } from '../mailbox/mailbox-fixture.ts'
import { peerSettings, startNode } from '../node/network.ts'
import { newRecord } from '../peer/test-peer.ts'
import { PATIENCE } from './parties.ts'

test('signature, registration, an envelope to itself, nothing more, leaving', { timeout: PATIENCE }, async (t) => {
  const node = await startNode(t, peerSettings([], { mailbox: { host: '127.0.0.1', port: 0 } }))
  const port = node.mailboxPort ?? 0
  const signature = await ask(port, 'GET', '/ssl_signature')
  assert.equal(signature.status, 200)
  const point = sessionPoint((await certificateAt(port)).raw)
  assert.ok(verifyPeerSignature(node.key.publicKey, point, signature.body))
  assert.ok(!verifyPeerSignature(new PeerKey(Buffer.alloc(32, 1)).publicKey, point, signature.body))

  const record = newRecord(node.key.publicKeyHex, 2)
  const token = await session(port, record)
  assert.match(token, /^[0-9a-f]{32}$/)
  const requests = inSession(port, token)
  const envelope = envelopeBytes(record.address, record.address, 'to myself')
  assert.equal((await requests.send(envelope)).status, 200)
  const got = await requests.get()
  assert.deepEqual([got.status, encodeEnvelope(decodeEnvelope(got.body))], [200, envelope])
  const empty = await requests.get()
  assert.deepEqual([empty.status, empty.body.length], [200, 0])
  assert.equal((await requests.unregister()).status, 200)
  const late = await requests.get()
  assert.equal(late.status, 400)
  assert.match(late.body.toString(), /session_id/)
})
