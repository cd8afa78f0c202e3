import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { saveResults } from './results.ts'
import type { CountResult, CyclesResult } from './smp/load.ts'
import { buildProgram, processorTime, RouterProcess, residentMemory, runLoad } from './smp/processes.ts'

const USAGE = `usage: npm run bench -- smp [options]
  --against smp://ADDRESS  measure that router instead of our own
  --pid N                  its process, for memory and processor time
  --seconds S              time of each load (default 8)
  --loads 1x1,10x8,…       connections × pipeline (default 1x1,1x32,10x8,100x4)
  --connections N          idle connections (default 1000, 0 for none)
  --queues N               idle queues (default 100000, 0 for none)
`

interface CyclesRow extends CyclesResult {
  readonly load: string
  /** Cycles per second of the router's processor time. */
  readonly cyclesPerCpuSecond?: number
}

/** A running router to measure. */
interface Target {
  readonly address: string
  readonly pid: number | undefined
}

/** Throughput, latency, fairness, memory and start time of an SMP router. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      against: { type: 'string' },
      pid: { type: 'string' },
      seconds: { type: 'string', default: '8' },
      loads: { type: 'string', default: '1x1,1x32,10x8,100x4' },
      connections: { type: 'string', default: '1000' },
      queues: { type: 'string', default: '100000' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'bench-smp-'))
  const results: Record<string, unknown> = {
    date: new Date().toISOString(),
    router: values.against ? 'given' : 'parley',
    processor: `${cpus().length} × ${cpus()[0]?.model}`,
  }
  if (!values.against) buildProgram()
  const own = values.against ? undefined : await RouterProcess.start(folder)
  try {
    const target: Target = own ?? { address: values.against ?? '', pid: values.pid ? Number(values.pid) : undefined }
    await report('empty, MiB', results, () => memory(target))
    const loads = values.loads.split(',').filter((load) => load !== '')
    results.cycles = await measureLoads(target, loads, Number(values.seconds) * 1000)
    await own?.stop()
    Object.assign(results, await measureIdle(values.against ? target : undefined, folder, values))
  } finally {
    await own?.stop()
    await rm(folder, { recursive: true })
  }
  print(`written to ${await saveResults('smp', `${results.date}`, results)}`)
}

async function measureLoads(target: Target, loads: readonly string[], measureMs: number): Promise<CyclesRow[]> {
  const rows: CyclesRow[] = []
  print('load        cycles/s   delivery p50/p99 ms   cycle p50/p99 ms   slowest/mean   cycles/CPU s')
  for (const load of loads) {
    const [connections = 1, pipeline = 1] = load.split('x').map(Number)
    const { address, pid } = target
    const before = pid === undefined ? undefined : await processorTime(pid)
    const warmUpMs = Math.min(2000, measureMs / 2)
    const result = await runLoad<CyclesResult>({
      kind: 'cycles',
      address,
      connections,
      pipeline,
      warmUpMs,
      measureMs,
    })
    const after = pid === undefined ? undefined : await processorTime(pid)
    // Warm-up and set-up are in the processor time but not in the cycles: the first is added, the second is little.
    const share = measureMs / (measureMs + warmUpMs)
    const cpu = before !== undefined && after !== undefined ? (after - before) * share : undefined
    const row = { load, ...result, ...(cpu && { cyclesPerCpuSecond: result.cycles / cpu }) }
    rows.push(row)
    print(formatRow(row))
  }
  return rows
}

function formatRow({ load, cyclesPerSecond, delivery, cycle, fairness, cyclesPerCpuSecond }: CyclesRow): string {
  const pair = ({ p50, p99 }: CyclesRow['delivery']) => `${p50.toFixed(1)}/${p99.toFixed(1)}`
  return [
    load.replace('x', ' × ').padEnd(11),
    cyclesPerSecond.toFixed(0).padStart(9),
    pair(delivery).padStart(21),
    pair(cycle).padStart(18),
    fairness.toFixed(2).padStart(14),
    (cyclesPerCpuSecond?.toFixed(0) ?? '-').padStart(14),
  ].join(' ')
}

/** @param given a router that is not ours to restart */
async function measureIdle(
  given: Target | undefined,
  folder: string,
  { connections, queues }: { connections: string; queues: string },
): Promise<Record<string, unknown>> {
  const results: Record<string, unknown> = {}
  const fresh = join(folder, 'idle')
  let own = given ? undefined : await RouterProcess.start(fresh)
  try {
    let target: Target = given ?? (own as RouterProcess)
    await report('before, MiB', results, () => memory(target))
    if (Number(connections) > 0) {
      const opened = await runLoad<CountResult>(
        { kind: 'connections', address: target.address, count: Number(connections) },
        () => report(`with ${connections} idle connections, MiB`, results, () => memory(target)),
      )
      await report('handshakes per second', results, async () => opened.perSecond)
    }
    if (Number(queues) === 0) return results
    if (own) {
      // Memory that connections leave behind is not to be counted for queues.
      await own.stop()
      own = await RouterProcess.start(fresh)
      target = own
      await report('before queues, MiB', results, () => memory(target))
    }
    const made = await runLoad<CountResult>({ kind: 'queues', address: target.address, count: Number(queues) })
    await report('NEW per second', results, async () => made.perSecond)
    await report(`with ${queues} idle queues, MiB`, results, () => memory(target))
    if (own) {
      await own.stop()
      own = await RouterProcess.start(fresh)
      const { startTime, pid, address } = own
      await report(`start with ${queues} queues, ms`, results, async () => startTime)
      await report('after that start, MiB', results, () => memory({ pid, address }))
    }
    return results
  } finally {
    await own?.stop()
  }
}

async function memory({ pid }: Target): Promise<number | undefined> {
  return pid === undefined ? undefined : residentMemory(pid)
}

async function report(
  name: string,
  results: Record<string, unknown>,
  measure: () => Promise<number | undefined>,
): Promise<void> {
  const value = await measure()
  if (value === undefined) return
  results[name] = value
  print(`${name}: ${value.toFixed(0)}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
