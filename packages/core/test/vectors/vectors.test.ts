import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { VectorFile } from './vector-file.ts'

const here = new URL('.', import.meta.url)
const vectors = new URL('../../../../test/vectors/', import.meta.url)

for (const module of readdirSync(here)) {
  if (!module.endsWith('.ts') || module.endsWith('.test.ts')) continue
  const { coverage = [] } = (await import(new URL(module, here).href)) as { coverage?: VectorFile[] }
  for (const { file, cases } of coverage) {
    test(`vectors of ${file}`, async (t) => {
      const data: unknown = JSON.parse(readFileSync(new URL(file, vectors), 'utf8'))
      for (const { name, run } of cases(data)) await t.test(name, run)
    })
  }
}
