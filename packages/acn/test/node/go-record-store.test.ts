import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeAgentRecord, encodeFrame } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { newRecord } from '../peer/test-peer.ts'
import { folderOf, peerSettings, startNode, TestAgent } from './network.ts'

test("a Go node's record store is taken over at the first start, though its end is cut off", async (t) => {
  const folder = await folderOf(t)
  const goRecordStore = join(folder, 'agent_records_store')
  const records = [0, 1, 2].map((ledger) => newRecord(new PeerKey(randomBytes(32)).publicKeyHex, ledger))
  const frames = records.map((record) => encodeFrame(encodeAgentRecord(record)))
  const forged = encodeFrame(encodeAgentRecord({ ...newRecord('02'.repeat(33)), signature: 'none' }))
  // The Go node appends a record with each registration: the first one is there twice.
  await writeFile(goRecordStore, Buffer.concat([...frames, ...frames.slice(0, 1), forged]))
  await appendFile(goRecordStore, forged.subarray(0, 100))

  const settings = peerSettings()
  const options = { dataFolder: join(folder, 'data'), goRecordStore }
  const lines: string[] = []
  const log = (level: string, line: string) => lines.push(`${level}: ${line}`)
  const node = await startNode(t, settings, { ...options, log })
  assert.equal(node.router.relayClients, 3)
  const asker = await startNode(t, peerSettings([node]))
  for (const record of records) {
    const found = await asker.host.resolve(record.address, { timeout: 5_000 })
    assert.deepEqual(found?.record, record)
    assert.equal(found.provider, node.host.peerId)
  }
  assert.ok(lines.includes('info: took over 3 registrations of an older node'))
  assert.equal(lines.filter((line) => line.startsWith('warning: ')).length, 2, lines.join('\n'))
  await node.stop()

  // From now on the node's own store counts, whatever becomes of the file.
  await writeFile(goRecordStore, Buffer.alloc(1000, 0xff))
  lines.length = 0
  const again = await startNode(t, settings, { ...options, log })
  assert.equal(again.router.relayClients, 3)
  assert.deepEqual(lines, [])
})

test('a record store that is nothing but garbage does not keep a node from starting', async (t) => {
  const folder = await folderOf(t)
  const goRecordStore = join(folder, 'agent_records_store')
  await writeFile(goRecordStore, randomBytes(5000))
  const warnings: string[] = []
  const log = (level: string, line: string) => {
    if (level === 'warning') warnings.push(line)
  }
  const node = await startNode(t, peerSettings(), { goRecordStore, log })
  assert.equal(node.router.relayClients, 0)
  assert.equal(warnings.length, 1)
  const agent = await TestAgent.delegate(t, node)
  await agent.send(agent, 'runs')
  assert.deepEqual(await agent.receive(), ['runs'])
})
