import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestAgent } from '../../../acn/test/node/network.ts'
import { until, World } from '../gateway/world.ts'
import { RunningParley, runParley } from './parley-process.ts'

test('requests wait for a person, over a restart of the node, and are let in or refused', async (t) => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router, [], { mode: 'require' })
  const data = join(world.folder, 'data')
  await mkdir(data, { mode: 0o700 })
  const passphrase = join(world.folder, 'passphrase')
  await writeFile(passphrase, 'correct horse\n')
  const at = ['--data', data]
  const make = async (name: string): Promise<string> => {
    const args = ['id', 'new', name, '--ledger', 'fetchai', '--passphrase-file', passphrase, ...at]
    return JSON.parse((await runParley(args)).stdout).address
  }
  const [bob, bea] = [await make('bob'), await make('bea')]
  const lines = [
    ...['[smp]', 'on = false', `servers = ["${router.address}"]`],
    ...['[acn]', 'listen = "127.0.0.1:0"', `entry_peers = ["${peer.multiaddr}"]`],
    ...['[private]', 'policy = "ask"'],
    ...['[identity]', 'use = ["bob", "bea"]', `passphrase_file = "${passphrase}"`],
  ]
  await writeFile(join(data, 'parley.toml'), lines.join('\n'))
  const none = await runParley(['requests', ...at])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /no node runs on/)

  const started = Date.now()
  let node = new RunningParley(t, ['up', ...at])
  await node.until('ready')
  const alice = await TestAgent.delegate(t, peer.node)
  for (const to of [bob, bea]) await alice.send(to, 'let me in')
  const waiting = async (): Promise<Record<string, string>[]> => {
    const { code, stdout, stderr } = await runParley(['requests', '--json', ...at])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }
  await until('both wait', async () => (await waiting()).length === 2)
  const before = await waiting()
  assert.deepEqual(before.map(({ local }) => local).sort(), [bob, bea].sort())
  for (const { peer: from, card, since = '' } of before) {
    assert.deepEqual([from, card], [alice.address, 'represented'])
    assert.ok(Date.parse(since) >= started && Date.parse(since) <= Date.now())
  }
  assert.equal(peer.gateway.channels.hasChannel(alice.address, bob), 'opening')
  const told = (await node.stop()).stderr.split('\n').filter((line) => line.includes('asks'))
  assert.equal(told.length, 2, told.join('\n'))

  node = new RunningParley(t, ['up', ...at])
  await node.until('ready')
  await until('both wait again', async () => (await waiting()).length === 2)
  assert.deepEqual(await waiting(), before)
  const status = await runParley(['status', ...at])
  assert.match(status.stdout, /^requests +2 wait for an answer/m)
  const shown = await runParley(['requests', ...at])
  assert.match(shown.stdout, new RegExp(`^\\S+ ${alice.address} asks ${bob} \\(represented card\\)$`, 'm'))

  const several = await runParley(['requests', 'accept', alice.address, ...at])
  assert.equal(several.code, 2)
  assert.match(several.stderr, new RegExp(`--as (${bob} or ${bea}|${bea} or ${bob})`))
  const accepted = await runParley(['requests', 'accept', alice.address, '--as', bob, ...at])
  assert.equal(accepted.code, 0, accepted.stderr)
  assert.equal(accepted.stdout, `${alice.address} may open a channel with ${bob}\n`)
  await until('open', () => peer.gateway.channels.hasChannel(alice.address, bob) === 'open')
  // It is the only one now.
  const refused = await runParley(['requests', 'refuse', alice.address, ...at])
  assert.equal(refused.stdout, `${alice.address} is refused a channel with ${bea}\n`)
  assert.deepEqual(await waiting(), [])
  const gone = await runParley(['requests', 'accept', alice.address, ...at])
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /no request of \S+ waits/)
  assert.equal((await runParley(['requests', 'accept', 'alice', ...at])).code, 2)
  assert.equal((await node.stop()).code, 0)
})
