import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AcnClient, type AgentIdentity, DelegateEntry } from '@parley/acn/client'
import { type NodeSettings, parsePeerAddress, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { folderOf, newIdentity, numbered, peerSettings, startNode, TestAgent } from '../node/network.ts'

const PROGRAM = fileURLToPath(new URL('node-child.ts', import.meta.url))
const COUNT = 400

/** A node that is killed and started again, at the same ports. */
class KillableNode {
  readonly key: PeerKey
  delegatePort = 0
  multiaddr = ''
  readonly #folder: string
  #settings: NodeSettings
  #process: ChildProcess | undefined

  constructor(t: TestContext, folder: string, settings: NodeSettings) {
    this.#folder = folder
    this.#settings = settings
    this.key = new PeerKey(settings.peerKey)
    t.after(() => this.kill())
  }

  async start(): Promise<void> {
    const { peerKey, ...settings } = this.#settings
    const text = JSON.stringify({ ...settings, peerKey: Buffer.from(peerKey).toString('hex') })
    const args = ['--conditions=parley-source', PROGRAM, this.#folder, text]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = child
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { multiaddr, delegatePort } = JSON.parse(line) as { multiaddr: string; delegatePort: number }
    this.multiaddr = multiaddr
    this.delegatePort = delegatePort
    const { host, port } = parsePeerAddress(multiaddr)
    const listen = { host, port }
    this.#settings = { ...this.#settings, listen, publicUri: listen, delegate: { host, port: delegatePort } }
  }

  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

/** A client that comes back to its node as often as that is started. */
async function clientAt(t: TestContext, node: KillableNode, identity: AgentIdentity): Promise<AcnClient> {
  const { delegatePort: port, key } = node
  const entry = new DelegateEntry({ host: '127.0.0.1', port, peerPublicKey: key.publicKeyHex, identity })
  const backoff = { firstMs: 20, longestMs: 100 }
  const client = await AcnClient.connect({ entries: [entry], backoff, outboxCapacity: COUNT })
  t.after(() => client.close())
  return client
}

async function wordsOf(client: AcnClient, count: number, onCount: (count: number) => void): Promise<string[]> {
  const words: string[] = []
  for await (const event of client.events) {
    if (event.type !== 'envelope') continue
    words.push(Buffer.from(event.envelope.message).toString())
    onCount(words.length)
    if (words.length === count) break
  }
  return words
}

test('the receiving node is killed with envelopes under way: each arrives once, in order', async (t) => {
  const near = await startNode(t, peerSettings())
  const far = new KillableNode(t, await folderOf(t), peerSettings([near]))
  await far.start()
  const identity = newIdentity()
  const receiver = await clientAt(t, far, identity)
  const sender = await TestAgent.delegate(t, near)
  const killed = Promise.withResolvers<void>()
  const words = numbered(COUNT)
  const received = wordsOf(receiver, COUNT + 1, (count) => count === COUNT / 4 && killed.resolve())
  const codes = words.map((word) => sender.send(identity.address, word))
  await killed.promise
  await far.kill()
  await far.start()
  assert.deepEqual(new Set(await Promise.all(codes)), new Set([STATUS.SUCCESS]))
  assert.equal(await sender.send(identity.address, 'last'), STATUS.SUCCESS)
  assert.deepEqual(await received, [...words, 'last'])
})

test('the sending node is killed with envelopes under way: each arrives once, in order', async (t) => {
  const far = await startNode(t, peerSettings())
  const near = new KillableNode(t, await folderOf(t), peerSettings([far]))
  await near.start()
  const identity = newIdentity()
  const sender = await clientAt(t, near, identity)
  const receiver = await TestAgent.delegate(t, far)
  const words = numbered(COUNT)
  const send = (word: string) => {
    const head = { to: receiver.address, sender: identity.address, protocolId: 'fetchai/default:1.0.0', uri: '' }
    return sender.send({ ...head, message: Buffer.from(word) })
  }
  const sent = words.map(send)
  const first = await receiver.receive(COUNT / 4)
  await near.kill()
  await near.start()
  for (const { code } of await Promise.all(sent)) assert.equal(code, STATUS.SUCCESS)
  assert.equal((await send('last')).code, STATUS.SUCCESS)
  assert.deepEqual([...first, ...(await receiver.receive((COUNT * 3) / 4 + 1))], [...words, 'last'])
})
