// Every command of docs/jsonl.md with arguments that make no sense, and lines that are no commands at all.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Connected, connect, JsonlProcess } from './jsonl-process.ts'
import { folderForTests, RouterProcess } from './parley.ts'

const TIME = { timeout: 60_000 }
/** Longest line that is read: docs/jsonl.md. */
const MAX_LINE = 1_048_576

let router: RouterProcess
let agent: JsonlProcess
let peer: JsonlProcess
let connected: Connected
const path = folderForTests()

before(async () => {
  router = await RouterProcess.start(path('router'))
  agent = JsonlProcess.start(path('agent'), router.address)
  peer = JsonlProcess.start(path('peer'), router.address)
  connected = await connect(agent, peer)
}, TIME)
after(async () => {
  const endings = await Promise.all([agent.end(), peer.end()])
  assert.deepEqual(
    [...endings, agent.stderr, peer.stderr],
    [0, 0, '', ''],
    'nothing of all this is worth a line of log',
  )
  assert.equal(await router.stop(), 0)
})

const syntax = (context: string) => ({
  type: 'CMD',
  cmdErr: { type: 'SYNTAX' },
  errContext: context,
  message: `CMD SYNTAX ${context}`,
})

/** The answer to a line that has no id of its own. */
async function answerTo(line: string | Uint8Array) {
  const since = agent.lines.length
  agent.write(line)
  return agent.line((answer) => 'id' in answer, since)
}

describe('lines', TIME, () => {
  for (const [what, line, context] of [
    ['text that is not JSON', 'createConnection', 'the line is not JSON'],
    ['an unfinished object', '{"id":1,"cmd":"listConnections"', 'the line is not JSON'],
    ['two objects', '{"cmd":"listConnections"}{"cmd":"listConnections"}', 'the line is not JSON'],
    ['a list', '[{"id":1,"cmd":"listConnections"}]', 'the line is not a JSON object'],
    ['a number', '1', 'the line is not a JSON object'],
    ['null', 'null', 'the line is not a JSON object'],
    ['an object without a command', '{}', 'cmd is not a text'],
    ['bytes that are not UTF-8', Buffer.from('ff00fe', 'hex'), 'the line is not JSON'],
  ] as const) {
    test(`${what} is answered with CMD SYNTAX and no id`, async () => {
      assert.deepEqual(await answerTo(line), { id: null, error: syntax(context) })
    })
  }

  test('the answer carries whatever id the command has, also when there is no such command', async () => {
    for (const id of [0, -1.5, '', 'é\n"', true, false, null, [1, [2]], { a: { b: null } }]) {
      const written = JSON.stringify({ id, cmd: 'listConnections' })
      assert.deepEqual((await answerTo(written)).id, id)
      assert.deepEqual(await answerTo(JSON.stringify({ id, cmd: 7 })), { id, error: syntax('cmd is not a text') })
    }
    assert.equal((await answerTo('{"cmd":"listConnections"}')).id, null)
  })

  for (const cmd of [
    '',
    'LISTCONNECTIONS',
    'listconnections',
    '__proto__',
    'constructor',
    'toString',
    'x'.repeat(9999),
  ])
    test(`${cmd.slice(0, 20) || 'an empty text'} is no command`, async () => {
      const { type, cmdErr, errContext } = await agent.refused(cmd)
      assert.deepEqual([type, cmdErr], ['CMD', { type: 'SYNTAX' }])
      assert.ok(`${errContext}`.length < 100, 'what was sent does not come back in full')
    })

  test('empty lines are nothing, carriage returns are white space, unknown fields are left alone', async () => {
    const since = agent.lines.length
    agent.write(`\n \r\n\t\n`)
    agent.write(`  {"id":"spaced", "cmd":"listConnections" , "colour":"green"}\r`)
    await agent.line(({ id }) => id === 'spaced')
    assert.equal(agent.lines.length, since + 1)
  })

  test('a line may come in pieces, many lines in one piece', async () => {
    const info = '€uro 😀'
    const bytes = Buffer.from(`{"id":"pieces","cmd":"joinConnection","link":"${info}"}\n`)
    for (const byte of bytes) agent.child.stdin.write(Uint8Array.of(byte))
    const { error } = await agent.line(({ id }) => id === 'pieces')
    assert.deepEqual(error, syntax('link'))
    const ids = Array.from({ length: 300 }, (_, i) => `many ${i}`)
    agent.child.stdin.write(ids.map((id) => `${JSON.stringify({ id, cmd: 'listConnections' })}\n`).join(''))
    await Promise.all(ids.map((wanted) => agent.line(({ id, result }) => id === wanted && result !== undefined)))
  })

  test('a line that is too long is refused, whatever it is, and the next one is read', async () => {
    const tooLong = syntax(`a line has at most ${MAX_LINE} characters`)
    assert.deepEqual(await answerTo('x'.repeat(3 * MAX_LINE)), { id: null, error: tooLong })
    const command = (length: number) => {
      const line = JSON.stringify({ id: length, cmd: 'listConnections', fill: '' })
      return line.replace('"fill":""', `"fill":"${'x'.repeat(length - line.length)}"`)
    }
    assert.deepEqual(await answerTo(command(MAX_LINE + 1)), { id: null, error: tooLong })
    assert.ok((await answerTo(command(MAX_LINE))).result)
  })
})

describe('fields', TIME, () => {
  const { connId, confId, invId, msgId } = { connId: 'AAAA', confId: 'AAAA', invId: 'AAAA', msgId: 1 }
  for (const [cmd, fields, context] of [
    ['createConnection', {}, 'mode is not a text'],
    ['createConnection', { mode: 1 }, 'mode is not a text'],
    ['createConnection', { mode: 'group' }, 'mode is none of invitation, contact'],
    ['createConnection', { mode: 'invitation', pq: 'yes' }, 'pq is neither true nor false'],
    ['createConnection', { mode: 'contact', pq: 1 }, 'pq is neither true nor false'],
    ['joinConnection', { info: 'B' }, 'link is not a text'],
    ['joinConnection', { link: ['simplex:'] }, 'link is not a text'],
    ['joinConnection', { link: 'simplex:/invitation#/?v=2-7', info: 1 }, 'info is not a text'],
    ['joinConnection', { link: '', info: 'B' }, 'link'],
    ['joinConnection', { link: 'https://example.org', info: 'B' }, 'link'],
    ['joinConnection', { link: 'simplex:/invitation#/?v=2-7&smp=x&e2e=y', info: 'B' }, 'link'],
    ['allowConnection', { confId, info: 'A' }, 'connId is not a text'],
    ['allowConnection', { connId, info: 'A' }, 'confId is not a text'],
    ['allowConnection', { connId, confId, info: {} }, 'info is not a text'],
    ['acceptContact', { info: 'A' }, 'invId is not a text'],
    ['acceptContact', { invId, info: false }, 'info is not a text'],
    ['acceptContact', { invId, info: 'A', pq: 'on' }, 'pq is neither true nor false'],
    ['rejectContact', {}, 'invId is not a text'],
    ['sendMessage', { text: 'x' }, 'connId is not a text'],
    ['sendMessage', { connId }, 'a message has either text or body'],
    ['sendMessage', { connId, text: 'x', body: 'eA==' }, 'a message has either text or body'],
    ['sendMessage', { connId, text: 1 }, 'text is not a text'],
    ['sendMessage', { connId, body: [1] }, 'body is not a text'],
    ['sendMessage', { connId, body: 'not base64' }, 'body is not base64'],
    ['sendMessage', { connId, body: 'a' }, 'body is not base64'],
    ['sendMessage', { connId, body: 'YWJj=' }, 'body is not base64'],
    ['sendMessage', { connId, body: '=' }, 'body is not base64'],
    ['sendMessage', { connId, text: 'x', pq: 0 }, 'pq is neither true nor false'],
    ['ackMessage', { msgId }, 'connId is not a text'],
    ['ackMessage', { connId }, 'msgId is not a message id'],
    ['ackMessage', { connId, msgId: '1' }, 'msgId is not a message id'],
    ['ackMessage', { connId, msgId: 1.5 }, 'msgId is not a message id'],
    ['ackMessage', { connId, msgId: 2 ** 60 }, 'msgId is not a message id'],
    ['ackMessage', { connId, msgId, receipt: 'yes' }, 'receipt is neither true nor false'],
    ['messageStatus', { msgId }, 'connId is not a text'],
    ['messageStatus', { connId, msgId: true }, 'msgId is not a message id'],
    ['suspendConnection', {}, 'connId is not a text'],
    ['deleteConnection', { connId: 1 }, 'connId is not a text'],
  ] as const) {
    test(`${cmd} ${JSON.stringify(fields)}: ${context}`, async () => {
      assert.deepEqual(await agent.refused(cmd, fields), syntax(context))
    })
  }

  for (const [cmd, fields] of [
    ['allowConnection', { connId, confId, info: 'A' }],
    ['acceptContact', { invId, info: 'A' }],
    ['rejectContact', { invId }],
    ['sendMessage', { connId, text: 'x' }],
    ['ackMessage', { connId, msgId }],
    ['messageStatus', { connId, msgId }],
    ['suspendConnection', { connId }],
    ['deleteConnection', { connId }],
  ] as const) {
    test(`${cmd} of something that is not there is CONN NOT_FOUND`, async () => {
      for (const id of ['AAAA', '', 'ÿ', "' OR 1=1 --", 'x'.repeat(100_000)]) {
        const given = Object.fromEntries(
          Object.entries(fields).map(([name, value]) => [name, value === connId ? id : value]),
        )
        const { type, connErr } = await agent.refused(cmd, given)
        assert.deepEqual([type, connErr], ['CONN', { type: 'NOT_FOUND' }])
      }
    })
  }

  test('message ids that are not there, of a connection that is', async () => {
    for (const id of [0, -1, 9999, Number.MAX_SAFE_INTEGER]) {
      for (const cmd of ['ackMessage', 'messageStatus']) {
        const { type, connErr } = await agent.refused(cmd, { connId: connected.a, msgId: id })
        assert.deepEqual([type, connErr], ['CONN', { type: 'NOT_FOUND' }], `${cmd} ${id}`)
      }
    }
  })

  test('a confirmation that is not there, of a connection that is', async () => {
    const { type, connErr } = await agent.refused('allowConnection', { connId: connected.a, confId: 'AAAA', info: '' })
    assert.deepEqual([type, connErr], ['CONN', { type: 'NOT_FOUND' }])
  })

  test('absent and null optional fields are the same', async () => {
    const { link } = await agent.request('createConnection', { mode: 'contact', pq: null })
    const { connId: made } = await peer.request('joinConnection', { link, info: null, pq: null })
    const { info, pq } = await agent.next('REQ')
    assert.deepEqual([info, pq], ['', true])
    await peer.request('deleteConnection', { connId: made })
  })
})

test('requests under way at the same time are each answered once, with their own result', TIME, async () => {
  const since = agent.lines.length
  const asked = Array.from({ length: 90 }, (_, i) => {
    if (i % 3 === 0) return agent.request('createConnection', { mode: i % 2 ? 'contact' : 'invitation' })
    if (i % 3 === 1) return agent.request('sendMessage', { connId: connected.a, text: `${i}` })
    return agent.refused('messageStatus', { connId: connected.a, msgId: -i })
  })
  const results = await Promise.all(asked)
  const connIds = results.flatMap((result) => ('connId' in result ? [result.connId] : []))
  const msgIds = results.flatMap((result) => ('msgId' in result ? [result.msgId] : []))
  assert.deepEqual([new Set(connIds).size, new Set(msgIds).size], [30, 30])
  assert.deepEqual(
    msgIds,
    msgIds.toSorted((a, b) => Number(a) - Number(b)),
    'messages are taken in the order of the lines',
  )
  const answers = agent.lines.slice(since).filter((line) => 'id' in line)
  assert.equal(answers.length, 90)
  for (let i = 0; i < 30; i++) {
    const { text, msgId } = await peer.next('MSG')
    assert.equal(text, `${3 * i + 1}`, 'and arrive in that order')
    await peer.request('ackMessage', { connId: connected.b, msgId })
  }
})
