import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseSmpServer } from '@parley/smp/protocol'
import { finish, firstLine, runParley, startParley } from './parley-process.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-serve-'))
})
after(() => rm(folder, { recursive: true }))

const serve = (...more: string[]) => ['smp', 'serve', '--data', join(folder, 'data'), '--port', '0', ...more]

test('the address is the same after a restart, but for the port, and --json prints it as JSON', async () => {
  const first = startParley(serve('--password', 'open-sesame', '--address-host', 'smp.example.org,b.onion'))
  const address = parseSmpServer(await firstLine(first))
  first.kill('SIGTERM')
  await once(first, 'close')
  assert.equal(address.password, 'open-sesame')
  assert.deepEqual(address.server.hosts, ['smp.example.org', 'b.onion'])

  const second = startParley(serve('--json'))
  const { address: again, port } = JSON.parse(await firstLine(second)) as { address: string; port: number }
  second.kill('SIGTERM')
  await once(second, 'close')
  assert.deepEqual(parseSmpServer(again).server.keyHash, address.server.keyHash)
  assert.equal(parseSmpServer(again).server.port, `${port}`)
})

test('a second router on the same data is refused with exit code 1', async () => {
  const first = startParley(serve())
  await firstLine(first)
  const second = await runParley(serve())
  assert.equal(second.code, 1)
  assert.match(second.stderr, /cannot start/)
  first.kill('SIGTERM')
  assert.equal((await finish(first)).code, 0)
})

test('arguments that make no sense are exit code 2, a folder that cannot be one exit code 1', async () => {
  assert.equal((await runParley(['smp', 'serve', '--data', folder, '--port', '70000'])).code, 2)
  assert.equal((await runParley(['smp', 'serve'])).code, 2)
  const file = join(folder, 'file')
  await writeFile(file, '')
  const { code, stderr } = await runParley(['smp', 'serve', '--data', join(file, 'below'), '--port', '0'])
  assert.equal(code, 1)
  assert.match(stderr, /^parley: the router cannot start: /)
})
