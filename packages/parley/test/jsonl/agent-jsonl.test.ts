import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SmpRouter } from '@parley/smp/router'
import { JsonlAgent, RequestError } from '../../../../test/harness/jsonl-agent.ts'
import { runParley } from '../cli/parley-process.ts'

let folder = ''
let router: SmpRouter
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-jsonl-'))
  router = await SmpRouter.start({ dataDir: join(folder, 'router'), host: '127.0.0.1', port: 0 })
})
after(async () => {
  await router.close()
  await rm(folder, { recursive: true })
})

const start = (name: string, ...more: string[]) => JsonlAgent.start(join(folder, name), [router.address], more)

async function stop(...agents: JsonlAgent[]): Promise<void> {
  for (const agent of agents) {
    assert.deepEqual(await agent.request('stop'), {})
    assert.equal(await agent.child.exited, 0)
  }
}

const named = (name: string) => (event: { event: string }) => event.event === name

function refusal(type: string, matching: Readonly<Record<string, unknown>> = {}) {
  return (error: unknown) => {
    assert.ok(error instanceof RequestError)
    const { message, ...fields } = error.error
    assert.equal(typeof message, 'string')
    assert.equal(fields.type, type)
    for (const [name, value] of Object.entries(matching)) assert.deepEqual(fields[name], value)
    return true
  }
}

describe('parley agent --jsonl', () => {
  test('connects by invitation, sends, acknowledges with a receipt and tells the status', async () => {
    const alice = start('alice')
    const bob = start('bob')
    const { connId, link, shortLink } = await alice.request('createConnection', { mode: 'invitation', pq: true })
    assert.match(link as string, /^simplex:\/invitation#/)
    const joined = await bob.request('joinConnection', { link: shortLink, info: 'Bob' })
    const conf = await alice.next(named('CONF'))
    assert.deepEqual([conf.connId, conf.info, conf.pq], [connId, 'Bob', true])
    assert.deepEqual(await alice.request('allowConnection', { connId, confId: conf.confId, info: 'Alice' }), {})
    const info = await bob.next(named('INFO'))
    assert.deepEqual([info.connId, info.info], [joined.connId, 'Alice'])
    assert.equal((await bob.next(named('CON'))).pq, true)
    assert.equal((await alice.next(named('CON'))).connId, connId)

    const body = randomBytes(1000)
    const { msgId } = await alice.request('sendMessage', { connId, body: body.toString('base64') })
    assert.equal((await alice.next(named('SENT'))).msgId, msgId)
    const message = await bob.next(named('MSG'))
    assert.deepEqual([message.body, message.integrity, message.pq], [body.toString('base64'), 'ok', true])
    await bob.request('ackMessage', { connId: joined.connId, msgId: message.msgId, receipt: true })
    const receipt = await alice.next(named('RCVD'))
    assert.deepEqual(receipt.receipts, [{ msgId, status: 'ok' }])
    await alice.request('ackMessage', { connId, msgId: receipt.msgId })
    const status = await alice.request('messageStatus', { connId, msgId })
    assert.equal(status.state, 'received')
    assert.match(status.sentAt as string, /^\d{4}-.*Z$/)

    const { connections } = await alice.request('listConnections')
    assert.deepEqual(
      (connections as { connId: string; state: string }[]).map((one) => [one.connId, one.state]),
      [[connId, 'connected']],
    )
    await stop(alice, bob)
  })

  test('after a restart the connection goes on, and several requests may be under way at once', async () => {
    const alice = start('alice')
    const bob = start('bob')
    const { connections } = await alice.request('listConnections')
    const [{ connId }] = connections as [{ connId: string }]
    await Promise.all([alice.request('subscribeConnections'), bob.request('subscribeConnections')])
    const texts = ['one', 'two', 'three', '四']
    await Promise.all(texts.map((text) => alice.request('sendMessage', { connId, text })))
    for (const text of texts) {
      const message = await bob.next(named('MSG'))
      assert.equal(message.text, text)
      await bob.request('ackMessage', { connId: message.connId, msgId: message.msgId })
    }
    await stop(alice, bob)
  })

  test('contact address: requests are accepted and rejected', async () => {
    const alice = start('owner')
    const bob = start('visitor')
    const { link } = await alice.request('createConnection', { mode: 'contact', pq: true })
    await bob.request('joinConnection', { link, info: 'first' })
    const first = await alice.next(named('REQ'))
    assert.equal(first.info, 'first')
    assert.deepEqual(await alice.request('rejectContact', { invId: first.invId }), {})
    await bob.request('joinConnection', { link, info: 'second' })
    const second = await alice.next(named('REQ'))
    const { connId } = await alice.request('acceptContact', { invId: second.invId, info: 'owner' })
    const conf = await bob.next(named('CONF'))
    await bob.request('allowConnection', { connId: conf.connId, confId: conf.confId, info: 'visitor' })
    assert.equal((await alice.next(named('CON'))).connId, connId)
    await bob.next(named('CON'))
    assert.deepEqual(await alice.request('suspendConnection', { connId }), {})
    assert.deepEqual(await alice.request('deleteConnection', { connId }), {})
    await alice.next(named('DEL_CONNS'))
    await stop(alice, bob)
  })

  test('bad requests are answered with typed errors and change nothing', async () => {
    const agent = start('strict')
    const syntax = refusal('CMD', { cmdErr: { type: 'SYNTAX' } })
    await assert.rejects(agent.request('fly'), syntax)
    await assert.rejects(agent.request('createConnection', { mode: 'both' }), syntax)
    await assert.rejects(agent.request('createConnection', { mode: 'contact', pq: 'yes' }), syntax)
    await assert.rejects(agent.request('joinConnection', { link: 'simplex:/nowhere' }), syntax)
    await assert.rejects(agent.request('sendMessage', { connId: 'AAAA', text: 'a', body: 'YQ==' }), syntax)
    await assert.rejects(agent.request('sendMessage', { connId: 'AAAA', body: '%' }), syntax)
    await assert.rejects(agent.request('ackMessage', { connId: 'AAAA', msgId: '1' }), syntax)
    const notFound = refusal('CONN', { connErr: { type: 'NOT_FOUND' } })
    await assert.rejects(agent.request('sendMessage', { connId: 'AAAA', text: 'a' }), notFound)
    await assert.rejects(agent.request('messageStatus', { connId: 'AAAA', msgId: 1 }), notFound)
    await stop(agent)
  })

  test('lines that are no requests are answered too, and the end of the input stops the agent', async () => {
    const input = 'not json\n[]\n{"id":"x"}\n\n{"id":{"a":1},"cmd":"listConnections"}'
    const args = ['agent', '--data', join(folder, 'lines'), '--smp', router.address, '--jsonl']
    const { code, stdout, stderr } = await runParley(args, { input })
    assert.deepEqual([code, stderr], [0, ''])
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const errors = answers.filter(({ error }) => error)
    assert.deepEqual(
      errors.map(({ id, error }) => [id, error.type, error.cmdErr.type]),
      [
        [null, 'CMD', 'SYNTAX'],
        [null, 'CMD', 'SYNTAX'],
        ['x', 'CMD', 'SYNTAX'],
      ],
    )
    assert.deepEqual(
      answers.find(({ result }) => result),
      { id: { a: 1 }, result: { connections: [] } },
    )
  })

  test('a passphrase encrypts the store; without it and with another one it does not open', async () => {
    const right = join(folder, 'right')
    const wrong = join(folder, 'wrong')
    await writeFile(right, 'correct horse\n')
    await writeFile(wrong, 'battery staple\n')
    const agent = start('locked', '--passphrase-file', right)
    await agent.request('createConnection', { mode: 'invitation' })
    await stop(agent)
    const database = await readFile(join(folder, 'locked', 'agent.db'))
    assert.equal(database.includes('CREATE TABLE'), false)
    const args = ['agent', '--data', join(folder, 'locked'), '--smp', router.address, '--jsonl']
    for (const more of [[], ['--passphrase-file', wrong]]) {
      const { code, stderr } = await runParley([...args, ...more])
      assert.equal(code, 1)
      assert.match(stderr, /passphrase/)
    }
    const again = start('locked', '--passphrase-file', right)
    assert.equal(((await again.request('listConnections')).connections as unknown[]).length, 1)
    await stop(again)
  })

  test('a second agent on the same data, a bad address and a missing --jsonl are refused', async () => {
    const agent = start('taken')
    await agent.request('listConnections')
    const args = ['agent', '--data', join(folder, 'taken'), '--smp']
    const second = await runParley([...args, router.address, '--jsonl'])
    assert.equal(second.code, 1)
    assert.match(second.stderr, /in use/)
    await stop(agent)
    assert.equal((await runParley([...args, 'smp://nonsense', '--jsonl'])).code, 2)
    assert.equal((await runParley([...args, router.address])).code, 2)
  })
})
