import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AcnNode } from '@parley/acn/node'
import {
  carriedBy,
  dataFolderOf,
  type GatewayNode,
  startGatewayNode,
  startWatchedRouter,
  waysOf,
} from './gateway-node.ts'
import { GoNode, WITHOUT_GO_NODE } from './go-node.ts'
import { latencies } from './latencies.ts'
import { installOurs, OPEN_AEA, PythonAgents, type StartedAgent, without } from './python-agents.ts'

const skip = without(OPEN_AEA) || WITHOUT_GO_NODE
/** At the Go node: never in private. */
const PLAIN = 'delegate of Go'

describe('the Python connections of open-aea: in private', { skip, timeout: 900_000 }, () => {
  it('between nodes of ours, and in plain with an agent at a Go node', async (t) => {
    const [routerA, routerB] = [await startWatchedRouter(t), await startWatchedRouter(t)]
    const go = await startGo(t)
    const first = await startGatewayNode(t, { router: routerA, entries: [go.multiaddr] })
    const second = await startGatewayNode(t, { router: routerB, entries: [first.node.multiaddr ?? ''] })
    const agents = await PythonAgents.start(t, OPEN_AEA, { PARLEY_SMP_SERVERS: routerA.address })
    const program = await installOurs(t)
    const places = {
      'delegate 1': await agents.start('delegate 1', { kind: 'delegate', ledger: 'ethereum', node: delegates(first) }),
      'mailbox 1': await agents.start('mailbox 1', { kind: 'mailbox', ledger: 'fetchai', node: mailboxes(first) }),
      'delegate 2': await agents.start('delegate 2', { kind: 'delegate', ledger: 'cosmos', node: delegates(second) }),
      'mailbox 2': await agents.start('mailbox 2', { kind: 'mailbox', ledger: 'ethereum', node: mailboxes(second) }),
      'direct 1': await agents.start('direct 1', { kind: 'direct', program, entryPeers: [go.multiaddr] }),
      'direct 2': await agents.start('direct 2', {
        kind: 'direct',
        ledger: 'ethereum',
        program,
        entryPeers: [second.node.multiaddr ?? ''],
      }),
    }
    const atGo = await agents.start(PLAIN, { kind: 'delegate', ledger: 'cosmos', node: delegatesOfGo(go) })
    const names = Object.keys(places)
    await haveCards([first, second], Object.values(places))

    const ports = [
      first.node.monitoringPort,
      second.node.monitoringPort,
      places['direct 1'].ports.monitoring,
      places['direct 2'].ports.monitoring,
    ]
    const carried = async () => (await Promise.all(ports.map((port = 0) => carriedBy(port)))).reduce((a, b) => a + b)
    /** Agents at the same node write to each other without leaving it. */
    const isPrivate = (pair: readonly [string, string]) => !isOfOneNode(pair)
    const everyone = [...names, PLAIN]

    await allPairs(t, agents, everyone, 'first')
    const privatePairs = pairsOf(names).filter(isPrivate)
    assert.equal(privatePairs.length, 26)
    assert.equal(await carried(), privatePairs.length)
    const pushed = everyone.filter((name) => !name.startsWith('mailbox'))
    await allPairs(t, agents, pushed, 'again')
    const again = pairsOf(pushed.filter((name) => name !== PLAIN)).filter(isPrivate)
    assert.equal(await carried(), privatePairs.length + again.length)
    const sentOneByOne = routerA.sent() + routerB.sent()
    assert.ok(sentOneByOne >= privatePairs.length + again.length, `${sentOneByOne} messages at the routers`)

    const nameOf = new Map(Object.entries(places).map(([name, { address }]) => [address, name]))
    for (const [name, { address }] of Object.entries(places)) {
      const folder = folderOfNode(name, { first, second, places })
      // That the receiver has it is told a little later.
      await until(async () => (await waysOf(folder, address)).every(({ state }) => state !== 'sent'))
      const ways = await waysOf(folder, address)
      for (const { to, way, state } of ways) {
        const receiver = nameOf.get(to)
        if (receiver === undefined) {
          assert.equal(to, atGo.address)
          assert.deepEqual({ name, way, state }, { name, way: 'plain', state: 'at peer' })
        } else if (isPrivate([name, receiver])) {
          assert.deepEqual({ name, receiver, way, state }, { name, receiver, way: 'private', state: 'delivered' })
        }
      }
      assert.ok(ways.length >= everyone.length - 1, `${name}: ${ways.length} traces`)
    }

    // A mailbox agent makes a new connection for each envelope that it sends or gets, so it takes its time.
    const each = 100
    let sent = pairsOf(everyone).length + pairsOf(pushed).length
    for (const [who, inPrivate] of [
      [pushed, again],
      [everyone, privatePairs],
    ] as const) {
      const before = await carried()
      const count = pairsOf(who).length * each
      const { delivered, seconds, faults } = await agents.burst(who, each)
      t.diagnostic(`at once, of ${who.length} agents: ${delivered} of ${count} in ${seconds.toFixed(1)} s`)
      assert.deepEqual(faults, [])
      assert.equal((await carried()) - before, inPrivate.length * each)
      sent += count
    }
    assert.deepEqual(await agents.account(), { same: sent, missing: 0, besides: 0 })

    // What nobody between saw, and what everybody on the plain way did.
    const texts = privatePairs.map(([from, to]) => `${from} to ${to}`)
    for (const { tap } of [first, second, routerA, routerB]) {
      assert.ok(tap.bytes > 0)
      assert.deepEqual(tap.of(texts), [])
    }
    for (const [{ tap }, own] of [
      [first, ['delegate 1', 'mailbox 1']],
      [second, ['delegate 2', 'mailbox 2']],
    ] as const) {
      const inPlain = own.flatMap((name) => [`${name} to ${PLAIN}`, `${PLAIN} to ${name}`])
      assert.deepEqual(tap.of(inPlain), inPlain)
    }
    assert.deepEqual([...routerA.tap.seen, ...routerB.tap.seen], [])
    t.diagnostic(`${await carried()} in private, ${routerA.sent() + routerB.sent()} messages at two routers`)
    t.diagnostic(`the peers saw in plain: ${JSON.stringify([...first.tap.seen.keys(), ...second.tap.seen.keys()])}`)
    for (const name of everyone) assert.equal(await agents.state(name), 'connected')
  })

  it('also while the node of the receivers is stopped and started again', async (t) => {
    const router = await startWatchedRouter(t)
    const stays = await startGatewayNode(t, { router, entries: [] })
    const agents = await PythonAgents.start(t, OPEN_AEA, { PARLEY_SMP_SERVERS: router.address })
    const entryPeers = [stays.node.multiaddr ?? '']
    const direct = await agents.start('direct 2', { kind: 'direct', program: await installOurs(t), entryPeers })
    const { publicKey, ports } = direct
    const started = [
      direct,
      await agents.start('delegate 1', { kind: 'delegate', ledger: 'ethereum', node: delegates(stays) }),
      await agents.start('mailbox 1', { kind: 'mailbox', ledger: 'cosmos', node: mailboxes(stays) }),
      await agents.start('delegate 2', {
        kind: 'delegate',
        ledger: 'cosmos',
        node: { port: ports.delegate, publicKey },
      }),
      await agents.start('mailbox 2', {
        kind: 'mailbox',
        ledger: 'ethereum',
        node: { port: ports.mailbox, publicKey },
      }),
    ]
    await haveCards([stays], started)
    const senders = ['delegate 1', 'mailbox 1']
    const away = ['mailbox 2', 'direct 2']
    await allPairs(t, agents, [...senders, 'delegate 2', ...away], 'first')
    const before = await carriedBy(stays.node.monitoringPort ?? 0)
    const each = 100
    // To the delegate alone: what other agents have read, and their application not, would go with them.
    await agents.sendAll({ senders, receivers: ['delegate 2'], run: 'before', each })
    // A mailbox agent whose read fails twice, as when its node is away for long, reads no more.
    for (const name of away) await agents.stop(name)
    await agents.sendAll({ senders, receivers: ['delegate 2', ...away], run: 'meanwhile', each })
    for (const name of away.toReversed()) await agents.start(name)
    // A delegate looks for its node when it sends: it does not notice that a connection has ended while it reads.
    await agents.send('delegate 2', 'delegate 1', 'I am there')
    assert.equal(await agents.receive('delegate 1', 60), 'I am there')
    const runs = ['before', 'meanwhile']
    const toDelegate = await agents.receiveAll({ senders, receivers: ['delegate 2'], runs, each })
    const toOthers = await agents.receiveAll({ senders, receivers: away, runs: ['meanwhile'], each })
    assert.deepEqual([...toDelegate.faults, ...toOthers.faults], [])
    const count = senders.length * each * (runs.length + away.length)
    assert.equal(toDelegate.delivered + toOthers.delivered, count)
    assert.equal((await carriedBy(stays.node.monitoringPort ?? 0)) - before, count)
    const { missing, besides } = await agents.account()
    assert.deepEqual({ missing, besides }, { missing: 0, besides: 0 })
    assert.deepEqual([...stays.tap.seen, ...router.tap.seen], [])
    t.diagnostic(`${count} of ${count} came, each once and in order, ${router.sent()} messages at the router`)
  })

  it('or not at all, where a node says `require`', async (t) => {
    const router = await startWatchedRouter(t)
    const go = await startGo(t)
    const other = await startGatewayNode(t, { router, entries: [go.multiaddr] })
    const environment = { PARLEY_SMP_SERVERS: router.address, PARLEY_PRIVATE: 'require' }
    const agents = await PythonAgents.start(t, OPEN_AEA, environment)
    const entryPeers = [go.multiaddr]
    const direct = await agents.start('direct 1', { kind: 'direct', program: await installOurs(t), entryPeers })
    const { publicKey, ports } = direct
    const started = {
      'direct 1': direct,
      'delegate 1': await agents.start('delegate 1', {
        kind: 'delegate',
        ledger: 'ethereum',
        node: { port: ports.delegate, publicKey },
      }),
      'mailbox 1': await agents.start('mailbox 1', {
        kind: 'mailbox',
        ledger: 'cosmos',
        node: { port: ports.mailbox, publicKey },
      }),
    }
    const receiver = await agents.start('delegate 2', { kind: 'delegate', node: delegates(other) })
    const atGo = await agents.start(PLAIN, { kind: 'delegate', ledger: 'cosmos', node: delegatesOfGo(go) })
    await haveCards([other], [receiver, ...Object.values(started)])
    for (const [name, { address }] of Object.entries(started)) {
      await agents.send(name, PLAIN, `${name} to ${PLAIN}, 1.1 `)
      // Held back, and asked about again.
      await until(async () => {
        const ways = await waysOf(dataFolderOf(direct), address)
        return ways.some(({ to, reason }) => to === atGo.address && reason === 'no contact card was found')
      })
      await agents.send(name, 'delegate 2', 'in private')
      assert.equal(await agents.receive('delegate 2', 40), 'in private')
      await agents.send(PLAIN, name, 'in plain')
      assert.equal(await agents.receive(name, 40), 'in plain')
    }
    assert.equal(await agents.receive(PLAIN, 3), null)
    for (const [name, { address }] of Object.entries(started)) {
      assert.equal(await agents.state(name), 'connected')
      await until(async () => (await waysOf(dataFolderOf(direct), address)).every(({ state }) => state !== 'sent'))
      const ways = await waysOf(dataFolderOf(direct), address)
      assert.deepEqual(
        ways.map(({ to, way, state }) => ({ to, way, state })).sort((a, b) => (a.to < b.to ? -1 : 1)),
        [
          { to: atGo.address, way: 'none', state: 'waiting' },
          { to: receiver.address, way: 'private', state: 'delivered' },
        ].sort((a, b) => (a.to < b.to ? -1 : 1)),
      )
    }
  })
})

async function startGo(t: TestContext): Promise<GoNode> {
  const go = await GoNode.start({ privateKey: randomBytes(32) })
  t.after(() => go.stop())
  return go
}

function delegatesOfGo({ ports, key }: GoNode): { port: number; publicKey: string } {
  return { port: ports.delegate, publicKey: key.publicKeyHex }
}

function delegates({ node }: GatewayNode): { port: number; publicKey: string } {
  return serviceOf(node, 'delegatePort')
}

function mailboxes({ node }: GatewayNode): { port: number; publicKey: string } {
  return serviceOf(node, 'mailboxPort')
}

function serviceOf(node: AcnNode, service: 'delegatePort' | 'mailboxPort'): { port: number; publicKey: string } {
  return { port: node[service] ?? 0, publicKey: node.key.publicKeyHex }
}

/** Waits until the cards of all can be found; of those at a gateway's own node, until they are there. */
async function haveCards(nodes: readonly GatewayNode[], agents: readonly StartedAgent[]): Promise<void> {
  const signal = AbortSignal.timeout(60_000)
  for (const { address } of agents) {
    for (const { node, gateway } of nodes) {
      await until(async () => {
        if (node.router.isRegistered(address)) return gateway.cardOf(address) !== undefined
        return (await gateway.directory.find(address, { privacy: 'direct', fresh: true, signal })) !== undefined
      })
    }
  }
}

/** Asks again and again for a minute. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isSo()); await sleep(100)) {
    assert.ok(Date.now() < end, 'it did not come to that within a minute')
  }
}

function pairsOf(names: readonly string[]): (readonly [string, string])[] {
  return names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const))
}

/** Delegate and mailbox of the same number are at the same node, a direct agent has one of its own. */
function isOfOneNode([from, to]: readonly [string, string]): boolean {
  const [placeA, placeB] = [from, to].map((name) => (name.startsWith('direct') ? name : name.at(-1)))
  return placeA === placeB
}

function folderOfNode(
  name: string,
  {
    first,
    second,
    places,
  }: { first: GatewayNode; second: GatewayNode; places: Readonly<Record<string, StartedAgent>> },
): string {
  const agent = places[name]
  if (name.startsWith('direct') && agent) return dataFolderOf(agent)
  return (name.endsWith('1') ? first : second).folder
}

async function allPairs(t: TestContext, agents: PythonAgents, names: readonly string[], round: string): Promise<void> {
  const passages = await agents.exchange(names)
  const delivered = passages.filter(({ ms }) => ms !== undefined)
  for (const [way, ofWay] of Object.entries(
    Object.groupBy(delivered, ({ from, to }) =>
      from === PLAIN || to === PLAIN ? 'in plain' : isOfOneNode([from, to]) ? 'at the same node' : 'in private',
    ),
  )) {
    t.diagnostic(`${round}, ${way}: ${ofWay.length} pairs; ${latencies(ofWay)}`)
  }
  assert.deepEqual(
    passages.filter((passage) => !delivered.includes(passage)),
    [],
  )
  assert.equal(passages.length, names.length * (names.length - 1))
}
