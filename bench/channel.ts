import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadSntrup761 } from '@parley/core/crypto'
import { measureArrival, measureDelivery, percentiles } from './acn/measures.ts'
import { newRecord } from './acn/node-process.ts'
import { NumberedFrame } from './acn/numbered-frame.ts'
import { lookupTimes } from './cards.ts'
import { Child } from './channel/child.ts'
import { Network, type Pair, type Talking, type Way } from './channel/network.ts'
import { OtherNetwork } from './channel/other-network.ts'
import { Table } from './channel/table.ts'
import { saveResults } from './results.ts'
import { sectionsOf } from './sections.ts'

const USAGE = `usage: npm run bench -- channel [options]
  --rounds N      times that each figure is taken of each way (default 3)
  --only A,B,…    first,sustained,saturated,throughput,burst,away,lookups (default all)
  --ways A,B,…    plain,classical,pq (default all)
  --against ENTRY a node, which takes an env file as its only argument: its plain way, first and round trips only
  --size BYTES    of a message (default 200)
  --rate N        round trips a second of the sustained load (default 5)
  --trips N       round trips of one kind in a round (default 25)
  --envelopes N   of each of five pairs in a round (default 100)
  --burst N       envelopes of a burst (default 1000)
  --lookups N     look-ups of each kind (default 20)
  --no-save       write no file
`

const PAIRS = 5
/** New agents in a round, for the time to the first message. */
const NEW_PAIRS = 2
/** Round trips before those that count, one after the other: a node that runs has its code compiled. */
const WARM_UP = 100
/** How long what was told in the background may take, ms. */
const SETTLE = 500
/** Longest time without the echo, or any envelope of a burst, ms. */
const PATIENCE = 60_000

interface Settings {
  readonly rounds: number
  readonly size: number
  readonly rate: number
  readonly trips: number
  readonly envelopes: number
  readonly burst: number
  readonly lookups: number
  readonly networks: readonly Network[]
  readonly other?: OtherNetwork | undefined
  readonly table: Table
}

const SECTIONS: Readonly<Record<string, (settings: Settings) => Promise<void>>> = {
  first: (settings) => inTurns(settings, talking(settings), measureFirst),
  sustained: (settings) => inTurns(settings, talking(settings), measureSustained),
  saturated: (settings) => inTurns(settings, talking(settings), measureSaturated),
  throughput: (settings) => inTurns(settings, settings.networks, measureThroughput),
  burst: (settings) => inTurns({ ...settings, rounds: 1 }, settings.networks, measureBurst),
  away: (settings) => inTurns({ ...settings, rounds: 1 }, settings.networks, measureAway),
  lookups: measureLookups,
}

/** What private channels cost, beside the plain way in the same run. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: Object.keys(SECTIONS).join() },
      ways: { type: 'string', default: 'plain,classical,pq' },
      against: { type: 'string' },
      size: { type: 'string', default: '200' },
      rate: { type: 'string', default: '5' },
      trips: { type: 'string', default: '25' },
      envelopes: { type: 'string', default: '100' },
      burst: { type: 'string', default: '1000' },
      lookups: { type: 'string', default: '20' },
      'no-save': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const sections = sectionsOf(values.only, SECTIONS)
  const ways = values.ways.split(',').map(wayOf)
  const folder = await mkdtemp(join(tmpdir(), 'bench-channel-'))
  const table = new Table()
  const networks: Network[] = []
  let other: OtherNetwork | undefined
  const load = [loadavg()[0]]
  const keyPairs = await keyPairRate()
  write(`KEM key pairs of one thread: ${keyPairs.toFixed(0)} a second; load ${load[0]?.toFixed(1)}`)
  const routers = new Child({ role: 'routers', folder })
  try {
    const { addresses } = await routers.wait((report) => report.type === 'routers')
    for (const way of ways) networks.push(await Network.start(way, folder, addresses))
    if (values.against !== undefined) other = await OtherNetwork.start(values.against, folder)
    await delay(SETTLE)
    const settings: Settings = {
      rounds: Number(values.rounds),
      size: Number(values.size),
      rate: Number(values.rate),
      trips: Number(values.trips),
      envelopes: Number(values.envelopes),
      burst: Number(values.burst),
      lookups: Number(values.lookups),
      networks,
      other,
      table,
    }
    for (const section of sections) {
      await section(settings)
      table.print(write)
    }
  } finally {
    await Promise.all(talking({ networks, other }).map((network) => network.stop()))
    await routers.stop()
    await rm(folder, { recursive: true, force: true })
  }
  load.push(loadavg()[0])
  write(`load ${load[1]?.toFixed(1)}`)
  if (values['no-save']) return
  const date = new Date().toISOString()
  const processor = `${cpus().length} × ${cpus()[0]?.model}`
  const results = { date, processor, load, keyPairs, rate: Number(values.rate), figures: table.results() }
  write(`written to ${await saveResults('channel', date, results)}`)
}

function talking({ networks, other }: Pick<Settings, 'networks' | 'other'>): Talking[] {
  return other ? [other, ...networks] : [...networks]
}

/** A round on each network in turns; another one begins each time. */
async function inTurns<N extends Talking>(
  settings: Settings,
  networks: readonly N[],
  round: (network: N, settings: Settings) => Promise<void>,
): Promise<void> {
  for (let number = 0; number < settings.rounds; number++) {
    for (const network of number % 2 === 0 ? networks : networks.toReversed()) await round(network, settings)
  }
}

/** From an address to the first message: agents that were never written to, and those that have talked. */
async function measureFirst(network: Talking, { size, table }: Settings): Promise<void> {
  for (let count = 0; count < NEW_PAIRS; count++) {
    const started = performance.now()
    const pair = await network.newPair()
    table.add('both agents ready to be found', 'ms', network.way, performance.now() - started)
    await delay(SETTLE)
    table.add('first message, cold', 'ms', network.way, await measureArrival(pair, size))
    await network.opened(pair)
    await delay(SETTLE)
    table.add('first message, warm', 'ms', network.way, await measureArrival(pair, size))
    close(pair)
  }
}

async function measureSustained(network: Talking, settings: Settings): Promise<void> {
  await measureTrips(network, settings, `round trip, ${settings.rate}/s`, 1000 / settings.rate)
}

async function measureSaturated(network: Talking, settings: Settings): Promise<void> {
  await measureTrips(network, settings, 'round trip, saturated', 0)
}

/** @param interval between two beginnings, ms; 0 begins each one when the one before has ended */
async function measureTrips(network: Talking, settings: Settings, name: string, interval: number): Promise<void> {
  const { size, trips, table } = settings
  const pair = await warmPair(network, size)
  const ping = new NumberedFrame({ from: pair.from.address, to: pair.to.address, size })
  const pong = new NumberedFrame({ from: pair.to.address, to: pair.from.address, size })
  pair.to.onEnvelope = (number) => void pair.to.send(pong.numbered(number)).catch(() => {})
  const durations: number[] = []
  let next = performance.now()
  for (let number = 0; number < WARM_UP + trips; number++) {
    if (number === WARM_UP) await delay(SETTLE)
    if (number >= WARM_UP) {
      await delay(Math.max(0, next - performance.now()))
      next = Math.max(next + interval, performance.now())
    }
    const echoed = Promise.withResolvers<void>()
    pair.from.onEnvelope = (echo) => {
      if (echo === number) echoed.resolve()
    }
    const sentAt = performance.now()
    await pair.from.send(ping.numbered(number))
    await inTime(echoed.promise)
    if (number >= WARM_UP) durations.push(performance.now() - sentAt)
  }
  const { p50, p99 } = percentiles(durations)
  table.add(`${name}, median`, 'ms', network.way, p50)
  table.add(`${name}, 99 %`, 'ms', network.way, p99)
  close(pair)
}

async function measureThroughput(network: Network, { size, envelopes, table }: Settings): Promise<void> {
  const pairs: Pair[] = []
  for (let pair = 0; pair < PAIRS; pair++) pairs.push(await warmPair(network, size))
  const before = await network.processorTime()
  const { perSecond, delivered } = await measureDelivery(pairs, envelopes, size)
  if (delivered !== PAIRS * envelopes) throw new Error(`${PAIRS * envelopes - delivered} envelopes did not come`)
  const spent = (await network.processorTime()) - before
  table.add(`${PAIRS} pairs`, 'envelopes/s', network.way, perSecond)
  table.add(`${PAIRS} pairs, processor of both peers`, 'ms/envelope', network.way, (spent * 1000) / delivered)
  for (const pair of pairs) close(pair)
}

async function measureBurst(network: Network, { size, burst, table }: Settings): Promise<void> {
  const pair = await warmPair(network, size)
  const { onEnvelope, all } = arrivals(burst)
  pair.to.onEnvelope = onEnvelope
  const started = performance.now()
  await sendAll(pair, burst, size)
  table.add(`burst of ${burst}: accepted`, '/s', network.way, (burst * 1000) / (performance.now() - started))
  judge(table, `burst of ${burst}`, network.way, burst, await all)
  table.add(`burst of ${burst}: arrived`, '/s', network.way, (burst * 1000) / (performance.now() - started))
  close(pair)
}

/** The recipient and its peer are switched off while the burst is sent. */
async function measureAway(network: Network, { size, burst, table }: Settings): Promise<void> {
  const record = newRecord(network.second.key)
  const from = await network.first.attach()
  const before = await network.second.attach(record)
  await delay(SETTLE)
  await measureArrival({ from, to: before }, size)
  await network.opened({ from, to: before })
  before.close()
  await network.second.stop()
  const name = `burst of ${burst} to one away`
  const started = performance.now()
  await sendAll({ from, to: before }, burst, size)
  table.add(`${name}: accepted`, '/s', network.way, (burst * 1000) / (performance.now() - started))
  await network.second.start()
  const back = performance.now()
  const { onEnvelope, all } = arrivals(burst)
  const to = await network.second.attach(record, onEnvelope)
  judge(table, name, network.way, burst, await all)
  table.add(`${name}: from its return to the last`, 'ms', network.way, performance.now() - back)
  close({ from, to })
}

async function measureLookups({ lookups, table }: Settings): Promise<void> {
  const { direct, hidden } = await lookupTimes(lookups)
  for (const value of direct) table.add('look-up of a card, direct', 'ms', 'pq', value)
  for (const value of hidden) table.add('look-up of a card, private', 'ms', 'pq', value)
}

/** Agents that have exchanged envelopes, and have a channel if there is one to be had. */
async function warmPair(network: Talking, size: number): Promise<Pair> {
  const pair = await network.newPair()
  await delay(SETTLE)
  await measureArrival(pair, size)
  await network.opened(pair)
  await measureArrival({ from: pair.to, to: pair.from }, size)
  return pair
}

async function sendAll({ from, to }: Pair, count: number, size: number): Promise<void> {
  const frame = new NumberedFrame({ from: from.address, to: to.address, size })
  for (let number = 0; number < count; number++) await from.send(frame.numbered(number))
}

/** Gathers the numbers that come, until all have or nothing comes for a while. */
function arrivals(count: number) {
  const numbers: number[] = []
  const ended = Promise.withResolvers<void>()
  const timer = setTimeout(ended.resolve, PATIENCE)
  const onEnvelope = (number: number) => {
    numbers.push(number)
    timer.refresh()
    if (numbers.length === count) ended.resolve()
  }
  const all = ended.promise.then(() => {
    clearTimeout(timer)
    return numbers
  })
  return { onEnvelope, all }
}

function judge(table: Table, name: string, way: Way, count: number, numbers: readonly number[]): void {
  const isOrdered = numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0))
  table.add(`${name}: delivered`, '%', way, (new Set(numbers).size * 100) / count)
  table.add(`${name}: in order, once each`, '%', way, isOrdered ? 100 : 0)
}

async function keyPairRate(): Promise<number> {
  const kem = await loadSntrup761()
  kem.generateKeyPair()
  const started = performance.now()
  for (let count = 0; count < 20; count++) kem.generateKeyPair()
  return 20_000 / (performance.now() - started)
}

async function inTime(promise: Promise<void>): Promise<void> {
  const late = new AbortController()
  const { signal } = late
  const timeout = delay(PATIENCE, true, { signal }).catch(() => false)
  const isLate = await Promise.race([promise.then(() => false), timeout])
  late.abort()
  if (isLate) throw new Error('an echo did not come')
}

function close({ from, to }: Pair): void {
  from.close()
  to.close()
}

function wayOf(name: string): Way {
  if (name === 'plain' || name === 'classical' || name === 'pq') return name
  throw new Error(`no such way: ${name}`)
}

function write(line: string): void {
  process.stdout.write(`${line}\n`)
}
