import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { SmpClient } from '@parley/smp/client'
import { parseSmpServer } from '@parley/smp/protocol'
import { finish, runParley, startParley } from './parley-process.ts'

async function dataFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-up-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'data')
}

/** A first run that does not start, with ports that the system chooses. */
async function init(data: string): Promise<void> {
  const made = await runParley(['up', '--data', data, '--init'])
  assert.deepEqual([made.code, made.stdout], [0, ''], made.stderr)
  const config = join(data, 'parley.toml')
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replaceAll(/"127\.0\.0\.1:\d+"/g, '"127.0.0.1:0"'))
}

/** The lines that a node prints until it is ready. */
async function untilReady(child: ChildProcessWithoutNullStreams): Promise<string[]> {
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'ready') return lines
    lines.push(line)
  }
  throw new Error(`the node ended: ${lines.join('\n')}`)
}

test('a node is made, runs, tells what it is, is looked at, and stops in good order', async (t) => {
  const data = await dataFolder(t)
  await init(data)
  for (const file of ['peer.key', 'parley.toml']) assert.equal((await stat(join(data, file))).mode & 0o777, 0o600)
  const before = await runParley(['status', '--data', data, '--json'])
  assert.equal(JSON.parse(before.stdout).state, 'stopped')

  const child = startParley(['up', '--data', data])
  t.after(() => child.kill('SIGKILL'))
  const ended = finish(child)
  const lines = await untilReady(child)
  const address = lines.find((line) => line.startsWith('SMP router'))?.split(/ +/)[2] ?? ''
  const client = await SmpClient.connect(parseSmpServer(address).server)
  client.close()
  assert.ok(lines.some((line) => /^ACN peer +\/dns4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/16Uiu2HA/.test(line)))

  const running = await runParley(['status', '--data', data, '--json'])
  const { state, smp, pid } = JSON.parse(running.stdout)
  assert.deepEqual([state, smp.address], ['running', address])
  assert.ok(pid > 0)
  const shown = await runParley(['status', '--data', data])
  assert.match(shown.stdout, /^Parley +\S+, running/)
  const doctor = await runParley(['doctor', '--data', data])
  assert.equal(doctor.code, 0, doctor.stdout)
  const second = await runParley(['up', '--data', data])
  assert.equal(second.code, 1)
  assert.match(second.stderr, /in use/)

  child.kill('SIGTERM')
  assert.equal((await ended).code, 0)
  const after = await runParley(['status', '--data', data, '--json'])
  assert.deepEqual([after.code, JSON.parse(after.stdout).state], [0, 'stopped'])
})

test('a node that was killed starts again as the same', async (t) => {
  const data = await dataFolder(t)
  await init(data)
  const peers: string[] = []
  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    const child = startParley(['up', '--data', data])
    t.after(() => child.kill('SIGKILL'))
    const ended = finish(child)
    const lines = await untilReady(child)
    peers.push(lines.find((line) => line.startsWith('ACN peer'))?.split('/p2p/')[1] ?? '')
    child.kill(signal)
    assert.equal((await ended).code, signal === 'SIGKILL' ? 'SIGKILL' : 0)
  }
  assert.ok(peers[0])
  assert.equal(peers[1], peers[0])
})

test('what cannot be is said in words', async (t) => {
  const data = await dataFolder(t)
  const none = await runParley(['status', '--data', data])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /no node in/)
  assert.equal((await runParley(['up', '--config', join(data, 'missing.toml')])).code, 2)
  await init(data)
  const config = join(data, 'parley.toml')
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replace('mode = "prefer"', 'mode = "sometimes"'))
  const wrong = await runParley(['up', '--data', data])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /private\.mode: one of prefer, require, off is needed/)
  const doctor = await runParley(['doctor', '--data', data, '--json'])
  assert.equal(doctor.code, 1)
  const results = JSON.parse(doctor.stdout)
  assert.ok(
    results.some(({ name, outcome }: Record<string, string>) => name === 'configuration' && outcome === 'failed'),
  )
  await writeFile(config, text.replace('# use = ["alice"]', 'use = ["alice"]'))
  const locked = await runParley(['up', '--data', data])
  assert.equal(locked.code, 1)
  assert.match(locked.stderr, /passphrase of the identities \(alice\) is needed/)
})
