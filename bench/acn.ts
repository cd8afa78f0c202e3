import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  attachAll,
  type Delivery,
  measureArrival,
  measureDelivery,
  measureOwnClient,
  measureRegistrations,
  measureRoundTrips,
  type Pair,
} from './acn/measures.ts'
import { NodeProcess, newRecord, OWN, type Program } from './acn/node-process.ts'
import type { PlainAgent } from './acn/plain-agent.ts'
import { type Figure, Report } from './acn/report.ts'
import { saveResults } from './results.ts'
import { sectionsOf } from './sections.ts'
import { buildProgram, processorTime, residentMemory } from './smp/processes.ts'

const USAGE = `usage: npm run bench -- acn [options]
  --against ENTRY   program that takes an env file as its only argument, measured in turns with our own
  --rounds N        times that each figure is taken of each program (default 5)
  --only A,B,…      ${'start,trips,throughput,burst,registrations,memory,lookups'} (default all)
  --size BYTES      of a message (default 200)
  --trips N         round trips of one kind in a round (default 300)
  --envelopes N     of each of ten pairs in a round (default 300)
  --delegates N     for memory (default 1000)
  --peers N         in the network of look-ups (default 30)
  --no-build        the bundle is as it should be
`

const BURST = 2000
const PAIRS = 10
const REGISTRATIONS = 200
/** After delegates have registered, and before memory is read: for what is told in the background, ms. */
const SETTLE = 3_000

interface Settings {
  readonly rounds: number
  readonly size: number
  readonly trips: number
  readonly envelopes: number
  readonly delegates: number
  readonly peers: number
  readonly folder: string
  readonly programs: readonly Program[]
  readonly report: Report
}

const SECTIONS: Readonly<Record<string, (settings: Settings) => Promise<void>>> = {
  start: measureStarts,
  trips: (settings) => withNetworks(settings, measureTrips),
  throughput: (settings) => withNetworks(settings, measureThroughput),
  burst: (settings) => withNetworks(settings, measureBurst),
  registrations: (settings) => withNetworks(settings, measureRegistering),
  memory: measureMemory,
  lookups: measureLookups,
}

/** An ACN node under load, ours alone or in turns with another program. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      against: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: Object.keys(SECTIONS).join() },
      size: { type: 'string', default: '200' },
      trips: { type: 'string', default: '300' },
      envelopes: { type: 'string', default: '300' },
      delegates: { type: 'string', default: '1000' },
      peers: { type: 'string', default: '30' },
      'no-build': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const sections = sectionsOf(values.only, SECTIONS)
  if (!values['no-build']) buildProgram()
  const { against } = values
  const folder = await mkdtemp(join(tmpdir(), 'bench-acn-'))
  const report = new Report((line) => process.stdout.write(`${line}\n`))
  const settings: Settings = {
    rounds: Number(values.rounds),
    size: Number(values.size),
    trips: Number(values.trips),
    envelopes: Number(values.envelopes),
    delegates: Number(values.delegates),
    peers: Number(values.peers),
    folder,
    programs: against === undefined ? [OWN] : [OWN, { name: 'other', command: against, args: [] }],
    report,
  }
  const load = [loadavg()[0]]
  try {
    for (const section of sections) await section(settings)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  load.push(loadavg()[0])
  const date = new Date().toISOString()
  const results = {
    date,
    processor: `${cpus().length} × ${cpus()[0]?.model}`,
    load,
    rounds: settings.rounds,
    figures: report.results(),
  }
  process.stdout.write(`written to ${await saveResults('acn', date, results)}\n`)
}

/** Two nodes, the second of which has joined the first, each with an agent of its own. */
interface Network {
  readonly program: Program
  readonly nodes: readonly [NodeProcess, NodeProcess]
}

type Round = (network: Network, settings: Settings) => Promise<Figure[]>

/** Takes the figures of each program in turns, on networks that run all the time. */
async function withNetworks(settings: Settings, round: Round): Promise<void> {
  const { programs, rounds, folder, report } = settings
  const networks: Network[] = []
  try {
    for (const program of programs) {
      const first = await NodeProcess.start({ program, folder, hasAgent: true })
      networks.push({ program, nodes: [first, first] })
      const entryPeers = [first.multiaddr]
      const second = await NodeProcess.start({ program, folder, entryPeers, hasAgent: true })
      networks.splice(-1, 1, { program, nodes: [first, second] })
    }
    await delay(SETTLE)
    for (let number = 0; number < rounds; number++) {
      // The other one first every second time.
      const turns = number % 2 === 0 ? networks : networks.toReversed()
      for (const network of turns) {
        for (const figure of await round(network, settings)) report.add(network.program.name, figure)
      }
    }
    report.print()
  } finally {
    await Promise.all(networks.flatMap(({ nodes }) => [...new Set(nodes)]).map((node) => node.stop()))
  }
}

async function measureStarts({ programs, rounds, folder, report }: Settings): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const program of programs) {
      const node = await NodeProcess.start({ program, folder })
      report.add(program.name, { name: 'cold start to ready', unit: 'ms', value: node.startTime, lowIsGood: true })
      await node.stop()
    }
  }
  report.print()
}

async function measureTrips({ nodes }: Network, { trips, size }: Settings): Promise<Figure[]> {
  const [first, second] = nodes
  const figures: Figure[] = []
  const measure = async (kind: string, pair: Pair) => {
    const { echo, status } = await measureRoundTrips(pair, trips, size)
    for (const [name, value] of Object.entries(echo)) {
      figures.push({ name: `round trip ${kind} ${name}`, unit: 'ms', value, lowIsGood: true })
    }
    figures.push({ name: `status ${kind} p50`, unit: 'ms', value: status.p50, lowIsGood: true })
  }
  await withPair(nodes, (pair) => measure('delegate-node-node-delegate', pair))
  if (first.agent && second.agent) await measure('direct-node-node-direct', { from: first.agent, to: second.agent })
  await withPair([first, first], (pair) => measure('delegate-node-delegate', pair))
  return figures
}

async function measureThroughput(network: Network, { envelopes, size }: Settings): Promise<Figure[]> {
  const { nodes, program } = network
  const pairs: Pair[] = []
  for (let pair = 0; pair < PAIRS; pair++) pairs.push(await newPair(nodes))
  const name = `${PAIRS} pairs over two nodes`
  const before = await processorTimeOf(nodes)
  const delivery = await measureDelivery(pairs, envelopes, size)
  const value = ((await processorTimeOf(nodes)) - before) / delivery.delivered
  const figures = ofDelivery(name, delivery)
  figures.push({ name: `${name}: processor, both nodes`, unit: 'ms', value: value * 1000, lowIsGood: true })
  for (const pair of pairs) closePair(pair)
  if (program !== OWN) return figures
  const own = await measureOwnClient(nodes, PAIRS, 3 * envelopes, size)
  return [...figures, ...ofDelivery(`${name}, our client, window 32`, own)]
}

/** Seconds of processor time that the nodes have used. */
async function processorTimeOf(nodes: readonly NodeProcess[]): Promise<number> {
  const times = await Promise.all(nodes.map(({ pid }) => processorTime(pid)))
  return times.reduce<number>((sum, time) => sum + (time ?? Number.NaN), 0)
}

async function measureBurst({ nodes }: Network, { size }: Settings): Promise<Figure[]> {
  const figures: Figure[] = []
  await withPair(nodes, async (pair) => {
    figures.push(...ofDelivery(`burst of ${BURST} over two nodes`, await measureDelivery([pair], BURST, size)))
  })
  await withPair([nodes[0], nodes[0]], async (pair) => {
    figures.push(...ofDelivery(`burst of ${BURST} on one node`, await measureDelivery([pair], BURST, size)))
  })
  return figures
}

async function measureRegistering({ nodes }: Network): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const atOnce of [1, 16]) {
    const before = await processorTimeOf(nodes)
    const value = await measureRegistrations(nodes[0], REGISTRATIONS, atOnce)
    const spent = (((await processorTimeOf(nodes)) - before) * 1000) / REGISTRATIONS
    const name = `registrations, ${atOnce} at once`
    figures.push({ name, unit: '/s', value, lowIsGood: false })
    figures.push({ name: `${name}: processor, both nodes`, unit: 'ms', value: spent, lowIsGood: true })
  }
  return figures
}

async function measureMemory({ programs, delegates, folder, report }: Settings): Promise<void> {
  for (const program of programs) {
    const node = await NodeProcess.start({ program, folder })
    await delay(SETTLE)
    const idle = (await residentMemory(node.pid)) ?? Number.NaN
    const records = Array.from({ length: delegates }, () => newRecord(node.key))
    const agents = await attachAll(node, records, 16)
    await delay(SETTLE)
    const busy = (await residentMemory(node.pid)) ?? Number.NaN
    const add = (name: string, unit: string, value: number) =>
      report.add(program.name, { name, unit, value, lowIsGood: true })
    add('memory, idle', 'MiB', idle)
    add(`memory, ${delegates} delegates`, 'MiB', busy)
    add('memory, each delegate', 'KiB', ((busy - idle) * 1024) / delegates)
    for (const agent of agents) agent.close()
    await node.stop()
  }
  report.print()
}

/** Agents that were never written to before: the first envelope pays for the look-up. */
async function measureLookups({ programs, peers, folder, size, report }: Settings): Promise<void> {
  for (const program of programs) {
    const nodes: NodeProcess[] = []
    try {
      for (let peer = 0; peer < peers; peer++) {
        const entryPeers = nodes.slice(0, 1).map(({ multiaddr }) => multiaddr)
        nodes.push(await NodeProcess.start({ program, folder, entryPeers, isMonitored: peer > 0 && peer <= 3 }))
      }
      await delay(2 * SETTLE)
      const agents: PlainAgent[] = []
      for (const node of nodes) agents.push(await node.newDelegate())
      await delay(2 * SETTLE)
      for (const sender of [1, 2, 3]) {
        const [node, from] = [nodes[sender], agents[sender]]
        if (!node || !from) continue
        const before = await node.lookups()
        for (const to of agents.filter((agent) => agent !== from)) {
          const value = await measureArrival({ from, to }, size)
          report.add(program.name, { name: `first envelope, ${peers} peers`, unit: 'ms', value, lowIsGood: true })
        }
        const after = await node.lookups()
        const mean = (after.sum - before.sum) / (after.count - before.count) / 1000
        report.add(program.name, { name: 'look-up by metrics, mean', unit: 'ms', value: mean, lowIsGood: true })
      }
      for (const agent of agents) agent.close()
    } finally {
      await Promise.all(nodes.map((node) => node.stop()))
    }
  }
  report.print()
}

function ofDelivery(name: string, { sent, delivered, inOrder, perSecond }: Delivery): Figure[] {
  return [
    { name, unit: '/s', value: perSecond, lowIsGood: false },
    { name: `${name}: delivered`, unit: '%', value: (delivered * 100) / sent, lowIsGood: false },
    { name: `${name}: in order`, unit: '%', value: inOrder ? 100 : 0, lowIsGood: false },
  ]
}

async function withPair(nodes: Network['nodes'], measure: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await newPair(nodes)
  await measure(pair)
  closePair(pair)
}

async function newPair([first, second]: Network['nodes']): Promise<Pair> {
  return { from: await first.newDelegate(), to: await second.newDelegate() }
}

function closePair({ from, to }: Pair): void {
  from.close()
  to.close()
}
