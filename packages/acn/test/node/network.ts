import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  AcnClient,
  type AcnClientEvent,
  type AcnClientOptions,
  type AgentIdentity,
  DelegateEntry,
  identityFromKey,
  MailboxEntry,
  PipeEntry,
  RelayEntry,
} from '@parley/acn/client'
import { AcnNode, type AcnNodeOptions } from '@parley/acn/node'
import { type Envelope, type NodeSettings, parsePeerAddress } from '@parley/acn/protocol'
import { LEDGERS, type Ledger, PeerKey } from '@parley/acn/record'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

/** A folder that is removed after the test. */
export async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acn-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Settings of a peer with a delegate service on free ports of loopback. */
export function peerSettings(entries: readonly AcnNode[] = [], rest: Partial<NodeSettings> = {}): NodeSettings {
  return {
    peerKey: randomBytes(32),
    listen: LOOPBACK,
    publicUri: LOOPBACK,
    delegate: LOOPBACK,
    entryPeers: entries.map(addressOf),
    registrationDelay: 0,
    ...rest,
  }
}

function addressOf({ multiaddr = '' }: AcnNode) {
  const { peerId, ...address } = parsePeerAddress(multiaddr)
  assert.ok(peerId !== undefined)
  return { ...address, peerId }
}

/** A node that is stopped after the test. */
export async function startNode(
  t: TestContext,
  settings: NodeSettings,
  rest: Partial<AcnNodeOptions> = {},
): Promise<AcnNode> {
  const node = await AcnNode.start({ settings, dataFolder: rest.dataFolder ?? (await folderOf(t)), ...rest })
  t.after(() => node.stop())
  return node
}

/** An agent with a new key. */
export function newIdentity(ledger: Ledger | undefined = LEDGERS[0]): AgentIdentity {
  assert.ok(ledger)
  return identityFromKey(ledger, randomBytes(32))
}

/** An agent at a node, or at the pipe of one; closed after the test. */
export class TestAgent {
  readonly address: string
  readonly client: AcnClient
  /** Where it listens for its node, when it has one of its own. */
  readonly entry: PipeEntry | undefined
  readonly #events: AsyncIterator<AcnClientEvent>

  private constructor(address: string, client: AcnClient, entry?: PipeEntry) {
    this.address = address
    this.client = client
    this.entry = entry
    this.#events = client.events[Symbol.asyncIterator]()
  }

  static async delegate(
    t: TestContext,
    node: AcnNode,
    identity = newIdentity(),
    acknowledge: 'arrival' | 'manual' = 'arrival',
  ): Promise<TestAgent> {
    const entry = new DelegateEntry({
      host: '127.0.0.1',
      port: node.delegatePort ?? 0,
      peerPublicKey: node.key.publicKeyHex,
      identity,
    })
    return TestAgent.#connect(t, identity, { entries: [entry], acknowledge })
  }

  static async mailbox(t: TestContext, node: AcnNode, identity = newIdentity()): Promise<TestAgent> {
    const { mailboxPort: port = 0, key } = node
    const entry = new MailboxEntry({ host: '127.0.0.1', port, peerPublicKey: key.publicKeyHex, identity })
    return TestAgent.#connect(t, identity, { entries: [entry] })
  }

  /** A relay client of the first of these nodes; of the next one when that fails. */
  static async relay(
    t: TestContext,
    nodes: readonly Pick<AcnNode, 'multiaddr'>[],
    identity = newIdentity(),
  ): Promise<TestAgent> {
    const options = { privateKey: randomBytes(32), identity, patienceMs: 2_000, host: { timeouts: { dial: 1_000 } } }
    const [first, ...rest] = nodes.map(({ multiaddr: peer = '' }) => new RelayEntry({ ...options, peer }))
    assert.ok(first)
    return TestAgent.#connect(t, identity, { entries: [first, ...rest], backoff: { firstMs: 20, longestMs: 200 } })
  }

  /** Connected to by a node that is started meanwhile. */
  static async direct(t: TestContext, identity: AgentIdentity, entry: PipeEntry): Promise<TestAgent> {
    t.after(() => entry.close())
    return TestAgent.#connect(t, identity, { entries: [entry] }, entry)
  }

  static async #connect(
    t: TestContext,
    identity: AgentIdentity,
    options: AcnClientOptions,
    entry?: PipeEntry,
  ): Promise<TestAgent> {
    const client = await AcnClient.connect(options)
    t.after(() => client.close())
    return new TestAgent(identity.address, client, entry)
  }

  /** Sends words; gives the status code. */
  async send(to: string | TestAgent, words: string, sender = this.address): Promise<number> {
    const { code } = await this.client.send({
      to: typeof to === 'string' ? to : to.address,
      sender,
      protocolId: 'fetchai/default:1.0.0',
      message: Buffer.from(words),
      uri: '',
    })
    return code
  }

  /** The next events of a kind. */
  async take<T extends AcnClientEvent['type']>(type: T): Promise<Extract<AcnClientEvent, { type: T }>> {
    for (;;) {
      const { value, done } = await this.#events.next()
      assert.ok(!done, 'client is closed')
      if (value.type === type) return value as Extract<AcnClientEvent, { type: T }>
    }
  }

  /** The next envelope. */
  async next(): Promise<Envelope> {
    return (await this.take('envelope')).envelope
  }

  /** The words of the next envelopes. */
  async receive(count = 1): Promise<string[]> {
    const words: string[] = []
    while (words.length < count) words.push(Buffer.from((await this.next()).message).toString())
    return words
  }
}

/** A peer, or a relay client, with an agent at its pipe. */
export async function startWithAgent(
  t: TestContext,
  entries: readonly AcnNode[],
  {
    relayed = false,
    identity = newIdentity(),
    log,
    dataFolder,
    ...rest
  }: Partial<NodeSettings> &
    Partial<Pick<AcnNodeOptions, 'log' | 'dataFolder'>> & {
      readonly relayed?: boolean
      readonly identity?: AgentIdentity
    } = {},
): Promise<{ node: AcnNode; agent: TestAgent; identity: AgentIdentity; settings: NodeSettings }> {
  const entry = await PipeEntry.listen()
  const peerKey = randomBytes(32)
  const { publicUri, delegate, ...base } = peerSettings(entries, rest)
  const settings: NodeSettings = {
    ...base,
    ...(!relayed && { publicUri: publicUri ?? LOOPBACK, delegate: delegate ?? LOOPBACK }),
    peerKey,
    pipe: { agentAddress: identity.address, port: entry.port },
    record: await identity.recordFor(new PeerKey(peerKey).publicKeyHex),
  }
  const [node, agent] = await Promise.all([
    startNode(t, settings, { ...(log && { log }), ...(dataFolder !== undefined && { dataFolder }) }),
    TestAgent.direct(t, identity, entry),
  ])
  return { node, agent, identity, settings }
}

/** Numbered words. */
export function numbered(count: number, name = 'envelope'): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`)
}
