import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ENV, NodeSettingsError, readNodeSettings } from '@parley/acn/protocol'

const PEER = '/dns4/h/tcp/1/p2p/16Uiu2HAmHy7ePnGDjXfh32NbhkM1SUTerfxzXemguYhqxFtc8MRR'
const KEY = '11'.repeat(32)
const alone = { [ENV.peerKey]: KEY, [ENV.listen]: '0.0.0.0:9000', [ENV.publicUri]: 'acn.example.org:9000' }
const pipe = { [ENV.agentAddress]: 'fetch1agent', [ENV.toNode]: '4567', [ENV.toAgent]: '4567' }
const record = { [ENV.recordAddress]: 'fetch1agent', [ENV.recordLedgerId]: 'fetchai' }

function refuses(environment: Record<string, string>, variable: string): void {
  assert.throws(
    () => readNodeSettings(environment),
    (error) => {
      assert.ok(error instanceof NodeSettingsError)
      assert.equal(error.variable, variable)
      for (const value of Object.values(environment)) assert.ok(value.length < 4 || !error.message.includes(value))
      return true
    },
  )
}

describe('settings of a node', () => {
  test('a node that stands alone', () => {
    assert.deepEqual(readNodeSettings(alone), {
      peerKey: new Uint8Array(32).fill(0x11),
      listen: { host: '0.0.0.0', port: 9000 },
      publicUri: { host: 'acn.example.org', port: 9000 },
      entryPeers: [],
      registrationDelay: 0,
    })
  })

  test('services, entry peers, agent, record, delay and storage', () => {
    const settings = readNodeSettings({
      ...alone,
      ...pipe,
      ...record,
      [ENV.delegate]: 'acn.example.org:11000',
      [ENV.monitoring]: '127.0.0.1:8080',
      [ENV.mailbox]: '127.0.0.1:8888',
      [ENV.entryPeers]: `${PEER}, ${PEER},`,
      [ENV.registrationDelay]: '0.5',
      [ENV.storagePath]: '/tmp/store',
    })
    assert.deepEqual(settings.pipe, { agentAddress: 'fetch1agent', port: 4567 })
    assert.deepEqual(settings.delegate, { host: '0.0.0.0', port: 11000 })
    assert.equal(settings.monitoring?.port, 8080)
    assert.equal(settings.mailbox?.port, 8888)
    assert.equal(settings.entryPeers.length, 2)
    assert.equal(settings.record?.ledgerId, 'fetchai')
    assert.equal(settings.registrationDelay, 0.5)
    assert.equal(settings.storagePath, '/tmp/store')
  })

  test('without a public address it is a relay client, without services', () => {
    const client = { ...alone, ...pipe, ...record, [ENV.publicUri]: '', [ENV.entryPeers]: PEER }
    const settings = readNodeSettings({ ...client, [ENV.delegate]: '127.0.0.1:1', [ENV.mailbox]: '127.0.0.1:2' })
    assert.equal(settings.publicUri, undefined)
    assert.equal(settings.delegate, undefined)
    assert.equal(settings.mailbox, undefined)
    refuses({ ...client, [ENV.entryPeers]: '' }, ENV.entryPeers)
    refuses({ ...client, [ENV.recordAddress]: '' }, ENV.recordAddress)
  })

  test('what is wrong is named by its variable, never by its value', () => {
    refuses({ ...alone, [ENV.peerKey]: '' }, ENV.peerKey)
    refuses({ ...alone, [ENV.peerKey]: 'abcd' }, ENV.peerKey)
    refuses({ ...alone, [ENV.peerKey]: `0x${KEY}` }, ENV.peerKey)
    refuses({ ...alone, [ENV.listen]: '' }, ENV.listen)
    refuses({ ...alone, [ENV.delegate]: 'nowhere' }, ENV.delegate)
    refuses({ ...alone, [ENV.entryPeers]: '/dns4/h/tcp/1' }, ENV.entryPeers)
    refuses({ ...alone, ...pipe, [ENV.toAgent]: '' }, ENV.toAgent)
    refuses({ ...alone, ...pipe, [ENV.toAgent]: '4568' }, ENV.toAgent)
    refuses({ ...alone, ...pipe, [ENV.toNode]: '70000', [ENV.toAgent]: '70000' }, ENV.toNode)
    refuses({ ...alone, [ENV.registrationDelay]: 'soon' }, ENV.registrationDelay)
  })
})
