// `npm run test:fuzz [-- --cases N] [--seed N] [--only TEXT]`: arbitrary and mutated inputs at every entry point.
// A decoder either returns or throws one of its typed errors. Prints the seed; the same seed gives the same inputs.
import { parseArgs } from 'node:util'
import { ENTRY_POINTS, type EntryPoint, isTyped } from './entry-points.ts'
import { nextInput, SeededRandom } from './mutate.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 32}` },
    only: { type: 'string', default: '' },
  },
})
const cases = Number(values.cases)
const seed = Number(values.seed)
/** A single input may not hold up a router: longer than this and the entry point fails. */
const SLOWEST_MS = 250

interface Outcome {
  readonly decoded: number
  readonly failure?: string
}

function fuzz(point: EntryPoint, random: SeededRandom): Outcome {
  const samples = point.samples()
  const ofSamples = samples.map((sample) => attempt(point, sample))
  const failure = ofSamples.find((result) => typeof result === 'string')
  if (failure !== undefined) return { decoded: 0, failure }
  // Mutations of what is refused anyway would never get far into the decoder.
  if (!ofSamples.includes(true)) return { decoded: 0, failure: 'no sample decodes' }
  let decoded = 0
  for (let i = 0; i < cases; i++) {
    const input = nextInput(random, samples)
    const started = performance.now()
    const result = attempt(point, input)
    const took = performance.now() - started
    if (typeof result === 'string') return { decoded, failure: `case ${i}: ${result}\n  ${hex(input)}` }
    if (took > SLOWEST_MS) return { decoded, failure: `case ${i} took ${Math.round(took)} ms\n  ${hex(input)}` }
    if (result) decoded++
  }
  return { decoded }
}

/** True when the input decodes, false when it is refused as it should, text when something else happens. */
function attempt(point: EntryPoint, input: Uint8Array): boolean | string {
  try {
    point.decode(input)
    return true
  } catch (error) {
    if (isTyped(error, point)) return false
    return `${error instanceof Error ? error.stack : String(error)}`
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').slice(0, 4000)
}

process.stdout.write(`seed ${seed}, ${cases} cases at each entry point\n`)
let passed = 0
let failed = 0
const points = ENTRY_POINTS.filter(({ name }) => name.includes(values.only))
for (const [i, point] of points.entries()) {
  const { decoded, failure } = fuzz(point, new SeededRandom(seed + i))
  if (failure === undefined) passed++
  else failed++
  process.stdout.write(
    failure === undefined ? `✔ ${point.name}: ${decoded} decoded\n` : `✗ ${point.name}: ${failure}\n`,
  )
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
if (failed > 0 || passed === 0) process.exitCode = 1
