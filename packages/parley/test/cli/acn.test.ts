import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { AcnClient, PipeEntry } from '@parley/acn/client'
import { encodeExtended } from '@parley/acn/entrance'
import { STATUS } from '@parley/acn/protocol'
import { SqliteAcnStore } from '@parley/acn/store'
import { CommanderError } from 'commander'
import { CliError } from '../../src/cli/exit-codes.ts'
import { createProgram } from '../../src/cli/program.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-acn-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `parley acn …` and gives what it printed; `stopAt` stops it when that was printed. */
async function acn(args: readonly string[], stopAt?: string): Promise<string> {
  const stop = new AbortController()
  const output = new PassThrough()
  let printed = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    if (stopAt !== undefined && printed.includes(stopAt)) stop.abort(new Error('stopped'))
  })
  const program = createProgram({ input: new PassThrough(), output, error: new PassThrough(), stop: stop.signal })
  await program.parseAsync(['node', 'parley', 'acn', ...args])
  return printed
}

test('keys, addresses and records of each ledger', async (t) => {
  const folder = await folderOf(t)
  const peerFile = join(folder, 'peer')
  const peer = JSON.parse(await acn(['keygen', '--ledger', 'peer', '--out', peerFile]))
  assert.equal((await stat(peerFile)).mode & 0o777, 0o600)
  assert.match(peer.peerId, /^16Uiu2HA/)
  assert.deepEqual(JSON.parse(await acn(['address', '--ledger', 'peer', '--key', peerFile])), peer)
  for (const ledger of ['fetchai', 'cosmos', 'ethereum']) {
    const key = join(folder, ledger)
    const { address, publicKey } = JSON.parse(await acn(['keygen', '--ledger', ledger, '--out', key]))
    const named = JSON.parse(await acn(['address', '--ledger', ledger, '--public-key', publicKey]))
    assert.equal(named.address, address)
    const make = ['record', 'make', '--ledger', ledger, '--key', key, '--peer-public-key', peer.publicKey]
    const text = await acn(make)
    const record = join(folder, `${ledger}.json`)
    await writeFile(record, text)
    const verify = ['record', 'verify', record, '--peer-public-key', peer.publicKey]
    assert.equal(JSON.parse(await acn(verify)).address, address)
    const { bytes, ...fields } = JSON.parse(text)
    assert.deepEqual(JSON.parse(await acn(['inspect', '--as', 'record', bytes])), fields)
    await writeFile(record, JSON.stringify({ ...fields, signature: `${fields.signature}A` }))
    await assert.rejects(acn(verify), CliError)
  }
})

test('a peer is named by its key, in whatever case, or by its id; days have to be days', async (t) => {
  const folder = await folderOf(t)
  const peer = JSON.parse(await acn(['keygen', '--ledger', 'peer']))
  const key = join(folder, 'key')
  await acn(['keygen', '--ledger', 'cosmos', '--out', key])
  const make = (...rest: string[]) => acn(['record', 'make', '--ledger', 'cosmos', '--key', key, ...rest])
  const expected = await make('--peer-public-key', peer.publicKey)
  assert.equal(JSON.parse(expected).peerPublicKey, peer.publicKey)
  assert.equal(await make('--peer-public-key', peer.publicKey.toUpperCase()), expected)
  assert.equal(await make('--peer-public-key', peer.peerId), expected)
  for (const wrong of ['02ab', '', 'nobody']) await assert.rejects(make('--peer-public-key', wrong), CommanderError)
  const of = ['--peer-public-key', peer.peerId]
  await assert.rejects(make(...of, '--not-before', 'tomorrow'), CommanderError)
  await assert.rejects(make(...of, '--not-before', '2026-02-01', '--not-after', '2026-02-01'), CliError)
  const file = join(folder, 'record')
  await writeFile(file, await make(...of, '--not-before', '2020-01-01', '--not-after', '2020-02-01'))
  await assert.rejects(acn(['record', 'verify', file]), (error) => error instanceof CliError && error.exitCode === 1)
  await writeFile(file, '[]')
  await assert.rejects(acn(['record', 'verify', file]), (error) => error instanceof CliError && error.exitCode === 2)
})

test('content ids and messages', async () => {
  const cid = await acn(['cid', 'fetch19dq2mkcpp6x0aypxt9c9gz6n4fqvax0x9a7t5r'])
  assert.equal(cid.trim(), 'QmZ6ryKyS9rSnesX8YnFLAmFwFuRMdHpE7pQ2V6SjXTbqM')
  assert.equal(JSON.parse(await acn(['inspect', '4a020a00'])).name, 'SUCCESS')
  assert.equal(JSON.parse(await acn(['inspect', '--as', 'frame', '000000044a020a00'])).type, 'status')
  const challenge = Buffer.alloc(32, 0xab)
  const extended = Buffer.from(encodeExtended({ type: 'empty' }, { challenge, window: 32 })).toString('base64')
  const extension = { window: 32, challenge: challenge.toString('hex') }
  assert.deepEqual(JSON.parse(await acn(['inspect', extended])), { type: 'empty', extension })
  await assert.rejects(acn(['inspect', 'ff']), (error) => error instanceof CliError && error.exitCode === 2)
})

test('a node with a TOML file, and what it left in its store', async (t) => {
  const folder = await folderOf(t)
  await acn(['keygen', '--ledger', 'peer', '--out', join(folder, 'peer.key')])
  const config = join(folder, 'node.toml')
  const lines = ['[node]', 'key_file = "peer.key"', 'listen = "127.0.0.1:0"', 'public = "127.0.0.1:0"', 'data = "data"']
  await writeFile(config, lines.join('\n'))
  const printed = await acn(['--config', config], 'Peer running')
  assert.match(printed, /^MULTIADDRS_LIST_START\n\/dns4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+\nMULTIADDRS_LIST_END\n/)
  const data = join(folder, 'data')
  assert.equal(await acn(['trace', '--data', data]), '')
  const store = await SqliteAcnStore.open(data)
  const lost = { to: 'b', sender: 'a', reason: 'expired', attempts: 2, size: 3, receivedAt: 0, at: 1000 } as const
  await store.addNotDelivered({ ...lost, id: '1'.repeat(32) })
  await store.addNotDelivered({ ...lost, id: '2'.repeat(32), sender: 'c' })
  const [first = '', ...others] = (await acn(['trace', 'a', '--data', data])).trim().split('\n')
  assert.equal(others.length, 0)
  const times = { receivedAt: '1970-01-01T00:00:00.000Z', at: '1970-01-01T00:00:01.000Z' }
  assert.deepEqual(JSON.parse(first), { number: 1, ...lost, id: '1'.repeat(32), ...times })
  assert.equal(JSON.parse(await acn(['trace', '2'.repeat(32), '--data', data])).sender, 'c')
  await store.close()
  await assert.rejects(acn(['trace', '--data', folder]), CliError)
})

test('a node with an agent of its own, told by a TOML file; the dates of its record count', async (t) => {
  const before = process.exitCode
  t.after(() => {
    process.exitCode = before
  })
  const folder = await folderOf(t)
  const peerFile = join(folder, 'peer.key')
  const { peerId } = JSON.parse(await acn(['keygen', '--ledger', 'peer', '--out', peerFile]))
  const key = join(folder, 'agent.key')
  const { address } = JSON.parse(await acn(['keygen', '--ledger', 'ethereum', '--out', key]))
  const make = ['record', 'make', '--ledger', 'ethereum', '--key', key, '--peer-public-key', peerId]
  const year = new Date().getUTCFullYear()
  const dates = (from: number, to: number) => ['--not-before', `${from}-01-01`, '--not-after', `${to}-01-01`]
  await writeFile(join(folder, 'record.json'), await acn([...make, ...dates(year, year + 2)]))
  const pipe = await PipeEntry.listen()
  t.after(() => pipe.close())
  const config = join(folder, 'node.toml')
  const lines = ['[node]', 'key_file = "peer.key"', 'listen = "127.0.0.1:0"', 'public = "127.0.0.1:0"', 'data = "data"']
  const agentLines = ['[agent]', `port = ${pipe.port}`, 'record = "record.json"']
  await writeFile(config, [...lines, ...agentLines].join('\n'))

  const running = acn(['--config', config], 'the agent is gone')
  const client = await AcnClient.connect({ entries: [pipe] })
  const envelope = { to: address, sender: address, protocolId: 'a/b:1.0.0', message: Buffer.from('hello'), uri: '' }
  assert.equal((await client.send(envelope)).code, STATUS.SUCCESS)
  for await (const event of client.events) if (event.type === 'envelope') break
  await client.close()
  await pipe.close()
  assert.match(await running, /^MULTIADDRS_LIST_START$/m)

  await writeFile(join(folder, 'record.json'), await acn([...make, ...dates(year - 2, year - 1)]))
  const late = await acn(['--config', config])
  assert.match(late, /LIBP2P_NODE_PANIC_ERROR : agent\.record: .*not valid at this time/)
  assert.equal(process.exitCode, 2)
  await writeFile(config, [...lines, '[agent]', 'record = "record.json"'].join('\n'))
  assert.match(await acn(['--config', config]), /LIBP2P_NODE_PANIC_ERROR : agent\.port: a port is needed/)
})

test('what is wrong with the configuration is a line for those who started the node, without values', async (t) => {
  const before = process.exitCode
  t.after(() => {
    process.exitCode = before
  })
  const folder = await folderOf(t)
  const file = join(folder, 'env')
  await writeFile(file, 'AEA_P2P_ID=secretsecret\nAEA_P2P_URI=127.0.0.1:0\n')
  assert.match(await acn([file]), /^LIBP2P_NODE_PANIC_ERROR : while reading the environment: AEA_P2P_ID: (?!.*secret)/)
  assert.equal(process.exitCode, 2)
  await writeFile(file, '[node]\nunknown = 1\n')
  assert.match(await acn(['--config', file]), /LIBP2P_NODE_PANIC_ERROR : node\.unknown: unknown key/)
})
