import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Agent } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import { ratchetRates } from './ratchet.ts'

const encoder = new TextEncoder()

/** Messages that may be sent and not yet acknowledged: less than a router's queue holds. */
const WINDOW = 64

/** Two agents and their router, all in this process, each with its own database. */
interface Pair {
  readonly alice: Agent
  readonly bob: Agent
}

const USAGE = `usage: npm run bench -- agent [options]
  --messages N     messages of each load (default 1000)
  --connections N  connections that are established (default 30)
  --seconds S      time of the ratchet steps (default 3)
`

/**
 * `npm run bench -- agent [--messages N] [--connections N] [--seconds N]`: messages a second end to end (accepted,
 * encrypted, stored by the router, delivered, decrypted, acknowledged), connections a second, ratchet steps a second.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      messages: { type: 'string', default: '1000' },
      connections: { type: 'string', default: '30' },
      seconds: { type: 'string', default: '3' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  print('ratchet steps (encrypt and decrypt), per second', '')
  for (const pq of [false, true]) {
    const { sameChain, newChain } = await ratchetRates(pq, Number(values.seconds) * 500)
    print(`  ${pqName(pq)}: in one direction`, rate(sameChain))
    print(`  ${pqName(pq)}: direction changes every time`, rate(newChain))
  }
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  try {
    await using router = await SmpRouter.start({ dataDir: join(folder, 'router'), host: '127.0.0.1', port: 0 })
    await using alice = await Agent.open({ store: join(folder, 'alice.db'), servers: [router.address] })
    await using bob = await Agent.open({ store: join(folder, 'bob.db'), servers: [router.address] })
    // An agent whose events nobody takes stops reading from its routers.
    for (const agent of [alice, bob]) agent.on('STATUS', () => undefined)
    await benchPair({ alice, bob }, Number(values.messages), Number(values.connections))
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function benchPair(pair: Pair, messages: number, connections: number): Promise<void> {
  print('messages end to end, router and both agents on this machine', '')
  for (const pq of [false, true]) {
    const connId = await connect(pair, pq)
    print(`  ${pqName(pq)}: one connection, ${messages} messages`, rate(await messageRate(pair, [connId], messages)))
  }
  const many = await Promise.all(Array.from({ length: 8 }, () => connect(pair, true)))
  print(`  ${pqName(true)}: eight connections at once`, rate(await messageRate(pair, many, messages)))
  print('connection establishments, one after another', '')
  for (const pq of [false, true]) {
    const started = performance.now()
    for (let i = 0; i < connections; i++) await connect(pair, pq)
    print(`  ${pqName(pq)}: ${connections}`, rate((connections * 1000) / (performance.now() - started)))
  }
}

/** Connects Alice and Bob once more; gives Alice's id. */
async function connect({ alice, bob }: Pair, pq: boolean): Promise<string> {
  const { connId, link } = await alice.createConnection({ mode: 'invitation', pq })
  const confirmed = Promise.withResolvers<void>()
  const connected = Promise.withResolvers<void>()
  const stop = [
    alice.on('CONF', async (event) => {
      if (event.connId !== connId) return
      await alice.allowConnection(connId, event.confId, encoder.encode('Alice'))
      confirmed.resolve()
    }),
    alice.on('CON', (event) => {
      if (event.connId === connId) connected.resolve()
    }),
  ]
  const bobConnected = Promise.withResolvers<void>()
  const joined = Promise.withResolvers<string>()
  stop.push(
    bob.on('CON', async (event) => {
      if (event.connId === (await joined.promise)) bobConnected.resolve()
    }),
  )
  joined.resolve((await bob.joinConnection({ link, info: encoder.encode('Bob'), pq })).connId)
  await Promise.all([confirmed.promise, connected.promise, bobConnected.promise])
  for (const off of stop) off()
  return connId
}

/** Messages a second from Alice to Bob, counted when Bob's application has acknowledged them. */
async function messageRate({ alice, bob }: Pair, connIds: readonly string[], count: number): Promise<number> {
  const each = Math.ceil(count / connIds.length)
  const total = each * connIds.length
  const done = Promise.withResolvers<void>()
  let acknowledged = 0
  let room = Promise.withResolvers<void>()
  const off = bob.on('MSG', async ({ connId, msgId }) => {
    await bob.ackMessage(connId, msgId)
    acknowledged++
    room.resolve()
    room = Promise.withResolvers()
    if (acknowledged === total) done.resolve()
  })
  const body = new Uint8Array(1000).fill(120)
  const started = performance.now()
  let sent = 0
  for (let i = 0; i < each; i++) {
    while (sent - acknowledged >= WINDOW * connIds.length) await room.promise
    await alice.sendMessages(connIds.map((connId) => ({ connId, body })))
    sent += connIds.length
  }
  await done.promise
  off()
  return (total * 1000) / (performance.now() - started)
}

function pqName(pq: boolean): string {
  return pq ? 'post-quantum' : 'classical'
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1)
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(60)}${value.padStart(10)}\n`.trimEnd().concat('\n'))
}
