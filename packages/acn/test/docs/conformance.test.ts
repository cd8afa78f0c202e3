import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DATES_OVER, DEVIATIONS } from '../vectors/acn-deviations.ts'

const repository = new URL('../../../../', import.meta.url)
const tests = new URL('../', import.meta.url)
const document = readFileSync(new URL('docs/acn-conformance.md', repository), 'utf8')

/** The cells of the rows of all tables in a section, without the heads. */
function rowsOf(section: string): string[][] {
  const [, rest = ''] = document.split(`## ${section}\n`)
  const [body = ''] = rest.split('\n## ')
  const lines = body.split('\n')
  return lines
    .filter((line, i) => line.startsWith('|') && !line.startsWith('|---') && !lines[i + 1]?.startsWith('|---'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
}

/** Matches the titles of the tests in a file; what is put into a title is anything. */
function titlesOf(file: URL): RegExp[] {
  const text = readFileSync(file, 'utf8')
  const calls = text.matchAll(/\b(?:test|it)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g)
  return [...calls].map(([, single, double, template]) => {
    const title = (single ?? double ?? template ?? '').replaceAll(/\\(.)/g, '$1')
    const parts = template === undefined ? [title] : title.split(/\$\{[^}]*\}/)
    return new RegExp(`^${parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.+')}$`)
  })
}

/** Paths are below this package's tests, or those of the repository. */
function fileOf(path: string): URL {
  return new URL(path, /^(packages|test)\//.test(path) ? repository : tests)
}

for (const section of ['The open-acn audit', 'Faults of the Go node']) {
  test(`every test that "${section}" names is there`, () => {
    const rows = rowsOf(section)
    assert.ok(rows.length > 20)
    for (const cells of rows) {
      const last = cells.at(-1) ?? ''
      if (last.startsWith('not applicable: ')) continue
      for (const named of last.split('<br>')) {
        const [, path = '', title = ''] = /^`([^`]+)` (.+)$/.exec(named) ?? []
        assert.ok(path !== '' && existsSync(fileOf(path)), `${cells[0]}: ${named}`)
        assert.ok(
          titlesOf(fileOf(path)).some((pattern) => pattern.test(title)),
          `${path} has no test "${title}"`,
        )
      }
    }
  })
}

test('the audit is there as a whole, but for what was withdrawn', () => {
  const numbered = (letter: string, count: number) => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  const findings = [['C', 4] as const, ['H', 11] as const, ['M', 10] as const, ['L', 9] as const, ['N', 8] as const]
  const ids = findings.flatMap(([letter, count]) => numbered(letter, count)).filter((id) => id !== 'M8')
  assert.deepEqual(
    rowsOf('The open-acn audit').map(([id]) => id),
    ids,
  )
})

test('the twelve ways to end a Go node from afar are twelve rows', () => {
  const ways = rowsOf('Faults of the Go node').filter(([fault]) => fault?.startsWith('Ended from afar'))
  assert.equal(new Set(ways.map(([, named]) => named)).size, 12)
})

test('the list of where ours differs is that of the code', () => {
  assert.deepEqual(
    rowsOf('Negative vectors: where we differ'),
    DEVIATIONS.map(({ cases, original, ours, reason }) => [
      cases.map((name) => `\`${name}\``).join('<br>'),
      original,
      ours,
      reason,
    ]),
  )
})

test('every case in which the original fails is in the list, and every case of the list is in the vectors', () => {
  const entries = ['acn-negative.json', 'acn-negative2.json'].flatMap(
    (file) =>
      JSON.parse(readFileSync(new URL(`test/vectors/${file}`, repository), 'utf8')) as Record<string, unknown>[],
  )
  const recorded = new Set(entries.map((entry) => entry.case))
  const listed = new Set(DEVIATIONS.flatMap(({ cases }) => cases))
  for (const name of listed) assert.ok(recorded.has(name) || name === DATES_OVER, name)
  for (const { case: name, result, nodeAlive } of entries) {
    if (name === undefined) continue
    // Longer than any frame: refused by both.
    const isTooLong = String(name).includes('3145729')
    const isSpoiled = /delivered=False|BLOCKED|sender closed=Incomplete/.test(String(result))
    if (nodeAlive === false || (isSpoiled && !isTooLong)) assert.ok(listed.has(String(name)), String(name))
  }
})
