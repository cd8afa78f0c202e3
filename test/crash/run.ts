// `npm run test:crash [-- --messages 2000 --kills 50 --seed N]`: two agents and their router, each a process of its own,
// are killed with SIGKILL at random points while messages flow both ways. Nothing accepted may be lost, repeated after
// its acknowledgement or out of order, and in the end the state of every message is the right one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../fuzz/mutate.ts'
import { type RouterProcess, startRouter } from '../harness/child.ts'
import { Ledger } from './ledger.ts'
import { Party } from './party.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 32}` },
    seconds: { type: 'string', default: '480' },
  },
})
const each = Number(values.messages) / 2
const kills = Number(values.kills)
const random = new SeededRandom(Number(values.seed))
process.stdout.write(`seed ${values.seed}: ${2 * each} messages, ${kills} kills\n`)

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'parley-crash-'))
const faults: string[] = []
const ledgers = [new Ledger('A to B', faults), new Ledger('B to A', faults)] as const
const [toB, toA] = ledgers

let router: RouterProcess = await startRouter(join(folder, 'router'))
let progress = Promise.withResolvers<void>()

function onProgress(): void {
  for (const party of parties) party.notify()
  progress.resolve()
  progress = Promise.withResolvers()
}

const common = { server: router.address, faults, onProgress }
const a = new Party({ ...common, name: 'A', dataDir: join(folder, 'a'), sends: toB, receives: toA })
const b = new Party({ ...common, name: 'B', dataDir: join(folder, 'b'), sends: toA, receives: toB })
const parties = [a, b] as const

async function connect(): Promise<void> {
  const { connId, link } = await a.agent.request('createConnection', { mode: 'invitation', pq: true })
  const joined = await b.agent.request('joinConnection', { link, info: 'B', pq: true })
  const { confId } = await a.agent.next(({ event }) => event === 'CONF')
  await a.agent.request('allowConnection', { connId, confId, info: 'A' })
  await Promise.all(parties.map((party) => party.agent.next(({ event }) => event === 'CON')))
  a.connId = connId as string
  b.connId = joined.connId as string
}

async function crashRouter(): Promise<void> {
  const { port } = router
  await router.child.kill()
  router = await startRouter(join(folder, 'router'), port)
}

const VICTIMS = ['A', 'B', 'router'] as const
const killed = { A: 0, B: 0, router: 0 }

/** Kills somebody whenever the number of acknowledged messages reaches the next of the points drawn by chance. */
async function killAtRandomPoints(): Promise<void> {
  const points = Array.from({ length: kills }, () => random.below(2 * each)).sort((x, y) => x - y)
  for (const point of points) {
    while (toA.acknowledged + toB.acknowledged < point) await progress.promise
    const victim = random.pick(VICTIMS)
    killed[victim]++
    // Within a message's way too, not only right after an acknowledgement.
    for (let turns = random.below(20); turns > 0; turns--) await new Promise(setImmediate)
    if (victim === 'router') await crashRouter()
    else await (victim === 'A' ? a : b).crash()
  }
}

async function everythingArrived(): Promise<void> {
  while (ledgers.some((ledger) => ledger.underWay > 0)) await progress.promise
}

async function run(): Promise<void> {
  await connect()
  for (const party of parties) party.run()
  await Promise.all([a.send(each), b.send(each), killAtRandomPoints()])
  await everythingArrived()
  await Promise.all(parties.map((party) => party.settled()))
  // What counts is what is stored: both start once more, and every state is asked for.
  for (const party of parties) await party.crash()
  for (const party of parties) faults.push(...(await party.wrongStates()))
  for (const ledger of ledgers) faults.push(...ledger.missing().map((text) => `${ledger.name}: ${text} is missing`))
  for (const party of parties) await party.stop()
  await router.child.stop()
}

function report(): string {
  const counts = ledgers.map(
    ({ name, accepted, acknowledged }) => `${name}: ${accepted.size} accepted, ${acknowledged} acknowledged`,
  )
  const victims = VICTIMS.map((victim) => `${victim} ${killed[victim]}`).join(', ')
  return `${counts.join('; ')}; killed: ${victims}; ${Math.round((performance.now() - started) / 1000)} s`
}

const deadline = setTimeout(() => {
  faults.push(`not done in ${values.seconds} s`)
  finish()
}, Number(values.seconds) * 1000)

/** Prints the result and ends everything that may still run. */
function finish(): never {
  clearTimeout(deadline)
  for (const child of [router.child, ...parties.map(({ agent }) => agent.child)]) child.process.kill('SIGKILL')
  process.stdout.write(`${report()}\n`)
  for (const fault of faults.slice(0, 50)) process.stdout.write(`✗ ${fault}\n`)
  process.stdout.write(faults.length === 0 ? '1 passed, 0 failed\n' : '0 passed, 1 failed\n')
  process.exit(faults.length === 0 ? 0 : 1)
}

try {
  await run()
  await rm(folder, { recursive: true })
} catch (error) {
  faults.push(`${error instanceof Error ? error.stack : String(error)}`)
}
finish()
