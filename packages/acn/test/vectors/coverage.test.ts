import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { VectorFile } from '../../../core/test/vectors/vector-file.ts'

const here = new URL('.', import.meta.url)
const vectors = new URL('../../../../test/vectors/', import.meta.url)

for (const name of readdirSync(here)) {
  if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
  const { coverage = [] } = (await import(new URL(name, here).href)) as { coverage?: VectorFile[] }
  for (const { file, cases } of coverage) {
    test(`vectors of ${file}`, async (t) => {
      const data: unknown = JSON.parse(readFileSync(new URL(file, vectors), 'utf8'))
      for (const { name, unknownSection, run } of cases(data)) {
        // Sections that other packages check are counted by the runner of all vectors.
        if (unknownSection === undefined) await t.test(name, run)
      }
    })
  }
}
