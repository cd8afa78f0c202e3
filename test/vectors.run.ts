// `npm run test:vectors`: every entry of every vector file of a folder. PARLEY_VECTORS names the folder; the default is
// the copy beside this file. Ends with `N passed, N failed`; files that nothing covers are listed and not counted.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { VectorCase, VectorFile } from '../packages/core/test/vectors/vector-file.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
// As seen from where npm was started: npm itself goes to the root.
const named = process.env.PARLEY_VECTORS
const folder = named ? resolve(process.env.INIT_CWD ?? '', named) : join(repository, 'test', 'vectors')
const PACKAGES = ['core', 'smp', 'acn', 'agent']

/** The lists of checks that the packages keep beside their tests: every module of test/vectors with a `coverage`. */
async function loadCoverage(): Promise<VectorFile[]> {
  const lists: VectorFile[] = []
  for (const name of PACKAGES) {
    const checks = join(repository, 'packages', name, 'test', 'vectors')
    if (!existsSync(checks)) continue
    for (const file of readdirSync(checks).sort()) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
      const { coverage } = (await import(join(checks, file))) as { coverage?: VectorFile[] }
      if (coverage) lists.push(...coverage)
    }
  }
  return lists
}

/** The lists for a file: those of its name, or of the longest one that it continues (`sx-smp-more.json`: `sx-smp.json`). */
function listsOf(file: string, coverage: readonly VectorFile[]): VectorFile[] {
  const continued = coverage.map((list) => list.file).filter((name) => file.startsWith(basename(name, '.json')))
  const [longest] = continued.sort((a, b) => b.length - a.length)
  return coverage.filter((list) => list.file === (continued.includes(file) ? file : longest))
}

/** The cases of one file from all lists; a section is unknown only where no list knows it. */
function casesOf(data: unknown, lists: readonly VectorFile[]): VectorCase[] {
  const perList = lists.map((list) => [...list.cases(data)])
  const unknown = perList.map((cases) => new Set(cases.map((one) => one.unknownSection)))
  const known = (section: string) => unknown.some((sections) => !sections.has(section))
  const reported = new Set<string>()
  return perList.flat().filter(({ unknownSection }) => {
    if (unknownSection === undefined) return true
    if (known(unknownSection) || reported.has(unknownSection)) return false
    reported.add(unknownSection)
    return true
  })
}

if (!existsSync(folder)) {
  process.stdout.write(`there is no folder ${folder}\n0 passed, 0 failed\n`)
  process.exit(1)
}
const coverage = await loadCoverage()
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
const notCovered: string[] = []
let passed = 0
let failed = 0

for (const file of files) {
  const lists = listsOf(file, coverage)
  if (lists.length === 0) {
    notCovered.push(file)
    continue
  }
  const before = { passed, failed }
  const fail = (name: string, error: unknown) => {
    failed++
    process.stdout.write(`✗ ${file}: ${name}: ${error instanceof Error ? error.message : String(error)}\n`)
  }
  try {
    for (const { name, run } of casesOf(JSON.parse(readFileSync(join(folder, file), 'utf8')), lists)) {
      try {
        await run()
        passed++
      } catch (error) {
        fail(name, error)
      }
    }
  } catch (error) {
    fail('the file as a whole', error)
  }
  process.stdout.write(`${file}: ${passed - before.passed} passed, ${failed - before.failed} failed\n`)
}

if (notCovered.length > 0) process.stdout.write(`not covered, not counted: ${notCovered.join(', ')}\n`)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
if (failed > 0 || passed === 0) process.exitCode = 1
