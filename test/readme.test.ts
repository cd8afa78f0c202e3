import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { addressOf, keyOf, World } from '../packages/parley/test/gateway/world.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** The first TypeScript example of a document. */
async function exampleOf(document: string): Promise<string> {
  const text = await readFile(join(repository, document), 'utf8')
  const [, code] = /```ts\n([\s\S]*?)```/.exec(text) ?? []
  assert.ok(code)
  return code
}

/** A folder within the repository, where its packages can be found. */
async function folderFor(t: TestContext): Promise<string> {
  const cache = join(repository, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'parley-readme-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

/** Runs the example of a document in a process of its own; gives what it prints. */
async function runExample(t: TestContext, document: string, env: Record<string, string> = {}): Promise<string> {
  const cwd = await folderFor(t)
  // Node strips types only outside node_modules.
  await writeFile(join(cwd, 'example.mjs'), stripTypeScriptTypes(await exampleOf(document)))
  const options = { cwd, env: { ...process.env, ...env }, timeout: 120_000 }
  const { stdout } = await run(process.execPath, ['--conditions=parley-source', 'example.mjs'], options)
  return stdout
}

for (const document of ['README.md', 'docs/agent.md']) {
  test(`the example of ${document} has about twenty lines and compiles`, async (t) => {
    const example = await exampleOf(document)
    const lines = example.split('\n').filter((line) => line.trim() !== '')
    assert.ok(lines.length <= 20, `${lines.length} lines`)
    const folder = await folderFor(t)
    await writeFile(join(folder, 'example.ts'), example)
    const config = { extends: '../../../tsconfig.tools.json', include: ['example.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
    await run(process.execPath, [tsc, '-p', folder])
  })
}

test('the example of README.md finds an agent by its address and talks to it in private', async (t) => {
  await using world = await World.make()
  const router = await world.router()
  const first = await world.peer(router)
  const second = await world.peer(router, [first.multiaddr])
  const bob = await world.parley('bob', 'ethereum', { entry: [second.multiaddr], smp: [router.address] })
  const running = runExample(t, 'README.md', {
    KEY: Buffer.from(keyOf('alice')).toString('hex'),
    ENTRY: first.multiaddr,
    ROUTER: router.address,
    TO: bob.address,
  })
  const alice = addressOf('alice', 'fetchai')
  const answered = async () => {
    for await (const { from, text, way, done } of bob.messages()) {
      assert.deepEqual({ from, text, way }, { from: alice, text: 'hello, what can you do?', way: 'private' })
      await bob.send(from, 'I can answer')
      return done()
    }
  }
  const [stdout] = await Promise.all([running, answered()])
  assert.equal(stdout, `I am ${alice}\n${bob.address}, private: I can answer\n`)
})

test('the example of docs/agent.md runs', async (t) => {
  assert.equal(await runExample(t, 'docs/agent.md'), 'hello Bob, post-quantum: true\n')
})

/** Headings of a document as the names by which links lead to them, as GitHub makes these. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.+)$/gm)]
  const names = headings.map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set(names)
}

test('every link between the documents leads to a file, and to a heading when it names one', async () => {
  const documents = (await readdir(repository)).filter((name) => name.endsWith('.md'))
  for (const folder of ['docs', 'packages'])
    for (const name of await readdir(join(repository, folder), { recursive: true }))
      if (name.endsWith('.md') && !/(^|\/)(node_modules|dist)\//.test(name)) documents.push(join(folder, name))
  let links = 0
  for (const document of documents) {
    const text = await readFile(join(repository, document), 'utf8')
    for (const [, target = '', anchor] of text.matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)) {
      if (target.includes('://')) continue
      links++
      const file = target === '' ? join(repository, document) : join(repository, document, '..', target)
      assert.ok(existsSync(file), `${document}: ${target}`)
      if (anchor === undefined) continue
      assert.ok(anchorsOf(await readFile(file, 'utf8')).has(anchor), `${document}: ${target}#${anchor}`)
    }
  }
  assert.ok(links > 30, `${links} links`)
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
