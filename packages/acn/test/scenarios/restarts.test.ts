import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { PipeEntry } from '@parley/acn/client'
import type { AcnNode } from '@parley/acn/node'
import { type Envelope, STATUS } from '@parley/acn/protocol'
import { LEDGERS } from '@parley/acn/record'
import { until } from '../entrance/agents.ts'
import { folderOf, newIdentity, startNode, startWithAgent, TestAgent } from '../node/network.ts'
import { deliver, echo, PATIENCE, type Party, take } from './parties.ts'

const timeout = PATIENCE

/** A node and its agent, which stop together and start again where they were, with the same keys and another pipe. */
class Home implements Party {
  readonly #t: TestContext
  readonly #dataFolder: string
  readonly #started: Awaited<ReturnType<typeof startWithAgent>>
  #agent: TestAgent
  node: AcnNode

  private constructor(t: TestContext, dataFolder: string, started: Awaited<ReturnType<typeof startWithAgent>>) {
    this.#t = t
    this.#dataFolder = dataFolder
    this.#started = started
    this.#agent = started.agent
    this.node = started.node
  }

  static async build(
    t: TestContext,
    entries: readonly Home[],
    options: Parameters<typeof startWithAgent>[2] = {},
  ): Promise<Home> {
    const dataFolder = await folderOf(t)
    const nodes = entries.map(({ node }) => node)
    return new Home(t, dataFolder, await startWithAgent(t, nodes, { ...options, dataFolder }))
  }

  get address(): string {
    return this.#agent.address
  }

  send(to: string, words: string): Promise<number> {
    return this.#agent.send(to, words)
  }

  next(): Promise<Envelope> {
    return this.#agent.next()
  }

  async stop(): Promise<void> {
    await this.node.stop()
    await this.#agent.client.close()
    await this.#agent.entry?.close()
  }

  async start(): Promise<void> {
    const { settings, identity, node } = this.#started
    const entry = await PipeEntry.listen()
    const pipe = { agentAddress: identity.address, port: entry.port }
    const place = { host: '127.0.0.1', port: node.host.port ?? 0 }
    const again = { ...settings, pipe, listen: place, ...(settings.publicUri && { publicUri: place }) }
    ;[this.node, this.#agent] = await Promise.all([
      startNode(this.#t, again, { dataFolder: this.#dataFolder }),
      TestAgent.direct(this.#t, identity, entry),
    ])
  }
}

test('an agent of each ledger comes, leaves with its node, and comes again through another pipe', {
  timeout,
}, async (t) => {
  for (const ledger of LEDGERS) {
    const home = await Home.build(t, [], { identity: newIdentity(ledger) })
    await deliver(home, home)
    await home.stop()
    await home.start()
    await deliver(home, home)
  }
})

for (const [title, sender, receiver] of [
  ['a relay starts again: from the agent of another peer to a relay client', 'genesis', 'client'],
  ['a relay starts again: from a relay client to another', 'other', 'client'],
  ['a relay starts again: from a relay client to the agent of another peer', 'client', 'genesis'],
] as const) {
  test(title, { timeout }, async (t) => {
    const genesis = await Home.build(t, [])
    const relay = await Home.build(t, [genesis])
    const client = await Home.build(t, [relay], { relayed: true })
    const other = await Home.build(t, [relay], { relayed: true })
    const parties = { genesis, client, other }
    const [from, to] = [parties[sender], parties[receiver]]
    await deliver(from, to, 'before')
    // Its status goes through the relay: without it the envelope would come again.
    await until(() => from.node.router.waiting === 0)
    await relay.stop()
    assert.equal(await from.send(to.address, 'meanwhile'), STATUS.SUCCESS)
    await relay.start()
    assert.equal(await from.send(to.address, 'after'), STATUS.SUCCESS)
    assert.deepEqual(await take(to, 2), ['meanwhile', 'after'])
    await echo(relay, client)
  })
}

test("an agent's node stops and starts again: what is sent meanwhile and afterwards comes", { timeout }, async (t) => {
  const genesis = await Home.build(t, [])
  const sender = await Home.build(t, [genesis])
  const receiver = await Home.build(t, [genesis], { identity: newIdentity(LEDGERS[1]) })
  await deliver(sender, receiver, 'before')
  await receiver.stop()
  assert.equal(await sender.send(receiver.address, 'meanwhile'), STATUS.SUCCESS)
  await receiver.start()
  assert.equal(await sender.send(receiver.address, 'after'), STATUS.SUCCESS)
  assert.deepEqual(await take(receiver, 2), ['meanwhile', 'after'])
})
