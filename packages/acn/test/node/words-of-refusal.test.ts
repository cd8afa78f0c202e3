import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL } from '@parley/acn/peer'
import { type AcnMessage, decodeAcnMessage, encodeAcnMessage, encodeEnvelope, encodeFrame } from '@parley/acn/protocol'
import { createRecord, LEDGERS, PeerKey } from '@parley/acn/record'
import { FramePeer } from '../entrance/frame-peer.ts'
import { openTo, readAll, stranger } from '../peer/host/stranger.ts'
import { newRecord } from '../peer/test-peer.ts'
import { newIdentity, peerSettings, startNode } from './network.ts'

/** All that a node says to those who send what it does not take: nothing of its readers, of what was sent, of itself. */
const WORDS: ReadonlySet<string> = new Set([
  'message cannot be decoded',
  'envelope cannot be decoded',
  'error on decoding envelope',
  'unexpected payload',
  'register without record',
  'unknown agent address',
  'record names another peer public key',
  'agent address is not that of the public key',
  'unsupported ledger, known are fetchai, cosmos, ethereum',
  'signature is not valid',
  'record is not valid at this time',
  'sender is not the registered agent',
])

const SECRET = 'secret-of-the-sender'

/** Bodies that no node takes: not protobuf, cut off, of another kind, with records of every fault. */
function badBodies(peerPublicKey: string): Uint8Array[] {
  const [ledger] = LEDGERS
  assert.ok(ledger)
  const record = createRecord(ledger, { privateKey: Buffer.alloc(32, 7), peerPublicKey })
  const whole = encodeAcnMessage({ type: 'register', record })
  const faulty = [
    { ...record, address: SECRET },
    { ...record, publicKey: SECRET },
    { ...record, publicKey: '' },
    { ...record, ledgerId: SECRET },
    { ...record, signature: SECRET },
    { ...record, signature: '' },
    { ...record, peerPublicKey: SECRET.repeat(100) },
    { ...record, notBefore: SECRET },
    { ...record, notAfter: '2020-01-01' },
  ]
  const registers = faulty.map((fault) => encodeAcnMessage({ type: 'register', record: fault }))
  const envelope = encodeEnvelope({
    to: SECRET,
    sender: SECRET,
    protocolId: SECRET,
    message: Buffer.from(SECRET),
    uri: '',
  })
  const others: AcnMessage[] = [
    { type: 'lookupRequest', agentAddress: '' },
    { type: 'aeaEnvelope', envelope: Buffer.from(`\xff${SECRET}`, 'latin1') },
    { type: 'aeaEnvelope', envelope },
    { type: 'aeaEnvelope', envelope, record: newRecord(peerPublicKey) },
    { type: 'aeaEnvelope', envelope: envelope.subarray(0, -3), record },
    { type: 'status', body: { code: 99, msgs: [SECRET] } },
  ]
  const garbage = ['', 'ff', '0a', '4200', '2a00', '3a00', '4a00', '4a02', '42ffffffffffffffff7f', '080a'].map((hex) =>
    Buffer.from(hex, 'hex'),
  )
  return [...garbage, whole.subarray(0, 40), Buffer.from(SECRET), ...registers, ...others.map(encodeAcnMessage)]
}

function wordsIn(bytes: Uint8Array): readonly string[] {
  const message = decodeAcnMessage(bytes)
  return message.type === 'status' ? (message.body?.msgs ?? []) : []
}

function assertKnown(words: readonly string[], where: string): void {
  for (const word of words) assert.ok(WORDS.has(word), `${where}: ${word}`)
}

async function newlyRegistered(node: AcnNode): Promise<FramePeer> {
  const peer = await FramePeer.tls(node.delegatePort ?? 0)
  await peer.frames.take()
  peer.send({ type: 'register', record: await newIdentity().recordFor(node.key.publicKeyHex) })
  assert.equal(await peer.status(), 0)
  return peer
}

test('at the delegate port, before a registration and after it', async (t) => {
  const node = await startNode(t, peerSettings())
  let said = 0
  for (const body of badBodies(node.key.publicKeyHex)) {
    const unregistered = await FramePeer.tls(node.delegatePort ?? 0)
    await unregistered.frames.take()
    for (const peer of [unregistered, await newlyRegistered(node)]) {
      if (peer !== unregistered && isStatus(body)) continue
      peer.sendRaw(encodeFrame(body))
      const answer = await peer.frames.take()
      if (answer) {
        const words = wordsIn(answer)
        assertKnown(words, `delegate ${Buffer.from(body).toString('hex').slice(0, 40)}`)
        said += words.length
      }
      peer.destroy()
    }
  }
  assert.ok(said > 20)
})

test('on the streams of peers', async (t) => {
  const node = await startNode(t, peerSettings())
  const from = await stranger()
  t.after(() => from.stop())
  let said = 0
  for (const body of badBodies(node.key.publicKeyHex)) {
    for (const protocol of [ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL]) {
      const stream = await openTo(from, node.multiaddr ?? '', protocol)
      const answer = readAll(stream)
      stream.send(encodeFrame(body))
      await stream.close().catch(() => {})
      const { bytes } = await answer
      if (bytes.length === 0) continue
      const words = wordsIn(bytes.subarray(4))
      assertKnown(words, protocol)
      said += words.length
    }
  }
  assert.ok(said > 20)
})

test('over the pipe', async (t) => {
  const identity = newIdentity()
  const settings = peerSettings()
  const { publicKeyHex } = new PeerKey(settings.peerKey)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const connected = once(server, 'connection') as Promise<[Socket]>
  await startNode(t, {
    ...settings,
    pipe: { agentAddress: identity.address, port },
    record: await identity.recordFor(publicKeyHex),
  })
  const peer = new FramePeer((await connected)[0])
  t.after(() => peer.destroy())
  for (const body of badBodies(publicKeyHex)) {
    if (isStatus(body)) continue
    peer.sendRaw(encodeFrame(body))
    const answer = await peer.frames.take()
    assert.ok(answer)
    assertKnown(wordsIn(answer), 'pipe')
  }
})

/** A status is no request: it has no answer. */
function isStatus(body: Uint8Array): boolean {
  try {
    return decodeAcnMessage(body).type === 'status'
  } catch {
    return false
  }
}
