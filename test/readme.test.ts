import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** The one TypeScript example of the README. */
async function example(): Promise<string> {
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
  assert.ok(code)
  return code
}

describe('the example of the README', () => {
  let folder = ''
  before(async () => {
    // Within the repository, where its packages can be found.
    await mkdir(join(repository, 'node_modules', '.cache'), { recursive: true })
    folder = await mkdtemp(join(repository, 'node_modules', '.cache', 'parley-readme-'))
    await writeFile(join(folder, 'example.ts'), await example())
  })
  after(() => rm(folder, { recursive: true }))

  test('has about twenty lines', async () => {
    const lines = (await example()).split('\n').filter((line) => line.trim() !== '')
    assert.ok(lines.length <= 20, `${lines.length} lines`)
  })

  test('compiles', async () => {
    const config = { extends: '../../../tsconfig.tools.json', include: ['example.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
    await run(process.execPath, [tsc, '-p', folder])
  })

  test('runs', async () => {
    // Node strips types only outside node_modules.
    const { stripTypeScriptTypes } = await import('node:module')
    await writeFile(join(folder, 'example.mjs'), stripTypeScriptTypes(await example()))
    const { stdout } = await run(process.execPath, ['--conditions=parley-source', 'example.mjs'], { cwd: folder })
    assert.equal(stdout, 'hello Bob, post-quantum: true\n')
  })
})

test('every link between the documents leads to a file', async () => {
  const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
  for (const name of await readdir(join(repository, 'docs'))) documents.push(join('docs', name))
  for (const document of documents) {
    const text = await readFile(join(repository, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (target.includes('://')) continue
      assert.ok(existsSync(join(repository, document, '..', target)), `${document}: ${target}`)
    }
  }
})

test('every file that the architecture names is there', async () => {
  const text = await readFile(join(repository, 'docs', 'architecture.md'), 'utf8')
  const names = [...text.matchAll(/\b(?:[\w-]+\/)*[\w-]+\.ts\b/g)].map(([name]) => name)
  assert.ok(names.length > 20)
  const files = (await readdir(join(repository, 'packages'), { recursive: true })).filter((file) =>
    file.includes('/src/'),
  )
  for (const name of names)
    assert.ok(
      files.some((file) => file.endsWith(`/${name}`)),
      name,
    )
})
