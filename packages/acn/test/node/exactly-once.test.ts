import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { AcnClient, DelegateEntry, PipeEntry } from '@parley/acn/client'
import { encodeEnvelope, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { attached, Cable, EventReader } from '../client/client-fixture.ts'
import { envelopeOf, until } from '../entrance/agents.ts'
import { TestPeer } from '../peer/test-peer.ts'
import { newIdentity, numbered, peerSettings, startNode, TestAgent } from './network.ts'

const CUTS = 4
const COUNT = 100

/** Cuts a cable some times, each after some bytes of the end that listens; gives how often it was cut. */
function cutNowAndThen(cable: Cable): () => number {
  let cuts = 0
  let bytes = 0
  cable.onNodeBytes = (chunk) => {
    bytes += chunk.length
    if (cuts === CUTS || bytes < 1500) return true
    bytes = 0
    cuts++
    return false
  }
  return () => cuts
}

test('a delegate writes to the own agent of another node, and back, over lines that break', async (t) => {
  const first = await startNode(t, peerSettings())
  const alice = newIdentity()
  const line = await Cable.to(t, first.delegatePort ?? 0)
  const entry = new DelegateEntry({
    host: '127.0.0.1',
    port: line.port,
    peerPublicKey: first.key.publicKeyHex,
    identity: alice,
  })
  const sender = await attached(t, [entry])

  const bob = newIdentity()
  const peerKey = randomBytes(32)
  const pipe = await PipeEntry.listen()
  t.after(() => pipe.close())
  const pipeLine = await Cable.to(t, pipe.port)
  const record = await bob.recordFor(new PeerKey(peerKey).publicKeyHex)
  const settings = peerSettings([first], { peerKey, pipe: { agentAddress: bob.address, port: pipeLine.port }, record })
  const connecting = AcnClient.connect({ entries: [pipe], backoff: { firstMs: 20, longestMs: 200 } })
  const second = await startNode(t, settings)
  const receiver = await connecting
  t.after(() => receiver.close())
  const [atSender, atReceiver] = [new EventReader(sender), new EventReader(receiver)]

  // Seen from the pipe, "node" is the end that listens: its agent.
  const cuts = [cutNowAndThen(line), cutNowAndThen(pipeLine)]
  const words = numbered(COUNT)
  const sending = Promise.all([
    ...words.map((word) => sender.send(envelopeOf(alice.address, bob.address, word))),
    ...words.map((word) => receiver.send(envelopeOf(bob.address, alice.address, word))),
  ])
  for (const reader of [atReceiver, atSender]) {
    const got: string[] = []
    while (got.length < COUNT) got.push(await reader.text())
    assert.deepEqual(got, words)
  }
  assert.ok((await sending).every(({ code }) => code === STATUS.SUCCESS))
  for (const count of cuts) assert.ok(count() >= 3, `${count()} cuts`)
  await until(() => first.router.waiting === 0 && second.router.waiting === 0)
  // Nothing comes twice: the next envelope is the next thing that comes.
  await sender.send(envelopeOf(alice.address, bob.address, 'the end'))
  await receiver.send(envelopeOf(bob.address, alice.address, 'the end'))
  assert.deepEqual([await atReceiver.text(), await atSender.text()], ['the end', 'the end'])
})

test('an envelope that comes again on a stream of its own is taken once, by the name that a Parley peer gave it', async (t) => {
  const node = await startNode(t, peerSettings())
  const peer = await TestPeer.start({ entryPeers: [node.multiaddr ?? ''] })
  t.after(() => peer.stop())
  await peer.host.join()
  const receiver = await TestAgent.delegate(t, node)
  const route = { peerId: node.host.peerId }
  const send = async (words: string, id?: string) => {
    const bytes = encodeEnvelope(envelopeOf(peer.address, receiver.address, words))
    const { code } = await peer.host.sendEnvelope(route, bytes, peer.record, id === undefined ? {} : { id })
    assert.equal(code, STATUS.SUCCESS)
  }
  const [first, second] = ['1', '2'].map((digit) => digit.repeat(32))
  await send('one', first)
  await send('one', first)
  await send('two', second)
  await send('without a name')
  await send('without a name')
  assert.deepEqual(await receiver.receive(4), ['one', 'two', 'without a name', 'without a name'])
})
