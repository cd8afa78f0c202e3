import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { identityFromKey } from '@parley/acn/client'
import { LEDGERS } from '@parley/acn/record'
import { peerSettings, startNode, TestAgent } from '../packages/acn/test/node/network.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

/** The example of docs/acn.md in a folder within the repository, where its packages can be found. */
async function exampleIn(t: TestContext): Promise<{ folder: string; code: string }> {
  const text = await readFile(join(repository, 'docs', 'acn.md'), 'utf8')
  const [, code] = /```ts\n([\s\S]*?)```/.exec(text) ?? []
  assert.ok(code)
  const cache = join(repository, 'node_modules', '.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'parley-acn-example-'))
  t.after(() => rm(folder, { recursive: true }))
  return { folder, code }
}

test('the agent of docs/acn.md compiles', async (t) => {
  const { folder, code } = await exampleIn(t)
  await writeFile(join(folder, 'example.ts'), code)
  const config = { extends: '../../../tsconfig.tools.json', include: ['example.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
  await promisify(execFile)(process.execPath, [tsc, '-p', folder])
})

test('and sends back what it gets', async (t) => {
  const { folder, code } = await exampleIn(t)
  await writeFile(join(folder, 'example.mjs'), stripTypeScriptTypes(code))
  const [fetchai] = LEDGERS
  assert.ok(fetchai)
  const privateKey = randomBytes(32)
  const { address } = identityFromKey(fetchai, privateKey)
  const node = await startNode(t, peerSettings())
  const friend = await TestAgent.delegate(t, node)
  const at = { host: '127.0.0.1', port: node.delegatePort, peerPublicKey: node.key.publicKeyHex }
  const nodes = [{ ...at, port: 1 }, at].map((place) => JSON.stringify(place))
  const key = `Buffer.from('${privateKey.toString('hex')}', 'hex')`
  const program = join(folder, 'run.mjs')
  await writeFile(program, `import { echo } from './example.mjs'\nawait echo(${key}, ${nodes.join(', ')})\n`)
  const child = spawn(process.execPath, ['--conditions=parley-source', program], { stdio: 'inherit' })
  t.after(async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  assert.equal(await friend.send(address, 'hello'), 0)
  assert.deepEqual(await friend.receive(), ['hello'])
})
