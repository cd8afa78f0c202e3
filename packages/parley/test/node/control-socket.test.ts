import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { askNode, ControlSocket, controlSocketPath, tellNode } from '../../src/node/control-socket.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-control-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a running node is asked by its owner; where none runs nobody answers', async (t) => {
  const folder = await folderOf(t)
  assert.equal(await askNode(folder, 'status'), undefined)
  const handlers = { status: async () => ({ pid: 7 }), broken: () => Promise.reject(new Error('secret')) }
  const socket = await ControlSocket.listen(folder, handlers)
  assert.deepEqual(await askNode(folder, 'status'), { pid: 7 })
  assert.equal((await stat(controlSocketPath(folder))).mode & 0o077, 0)
  await assert.rejects(
    askNode(folder, 'broken'),
    (error) => error instanceof Error && !error.message.includes('secret'),
  )
  await assert.rejects(askNode(folder, 'unknown'))
  await assert.rejects(askNode(folder, 'toString'))
  await socket.close()
  assert.equal(await askNode(folder, 'status'), undefined)
})

test('a question may have words with it', async (t) => {
  const folder = await folderOf(t)
  const handlers = { echo: async (query: URLSearchParams) => query.get('of') ?? undefined }
  await using _socket = await ControlSocket.listen(folder, handlers)
  const of = 'fetch1… & /?#=ü'
  assert.equal(await askNode(folder, 'echo', { query: { of } }), of)
  assert.equal(await askNode(folder, 'echo'), null)
})

test('what is asked changes nothing: what is to be done is told', async (t) => {
  const folder = await folderOf(t)
  assert.equal(await tellNode(folder, 'renew'), undefined)
  const actions = { renew: async (query: URLSearchParams) => [...query.keys()] }
  await using _socket = await ControlSocket.listen(folder, { status: async () => 'here' }, actions)
  assert.deepEqual(await tellNode(folder, 'renew', { query: { address: 'x' } }), ['address'])
  await assert.rejects(askNode(folder, 'renew'))
  await assert.rejects(tellNode(folder, 'status'))
})

test('what a killed process left is taken over, and answers nobody before', async (t) => {
  const folder = await folderOf(t)
  await writeFile(controlSocketPath(folder), '')
  assert.equal(await askNode(folder, 'status'), undefined)
  await using _socket = await ControlSocket.listen(folder, { status: async () => 'here' })
  assert.equal(await askNode(folder, 'status'), 'here')
})

test('a folder with a path longer than a socket can have', async (t) => {
  const folder = join(await folderOf(t), 'x'.repeat(120))
  await mkdir(folder)
  await using _socket = await ControlSocket.listen(folder, { status: async () => 'here' })
  assert.equal(await askNode(folder, 'status'), 'here')
  assert.equal(await askNode(`${folder}y`, 'status'), undefined)
})
