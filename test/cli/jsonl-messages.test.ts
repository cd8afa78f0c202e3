// Messages, acknowledgements, receipts and states between two connected agents.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Connected, connect, type EventLine, JsonlProcess } from './jsonl-process.ts'
import { folderForTests, RouterProcess } from './parley.ts'

const TIME = { timeout: 60_000 }
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/
/** Longest body in bytes with and without post-quantum encryption: spec/agent.md §3.4. */
const MAX_BODY = { pq: 13_573, classic: 15_795 }

let router: RouterProcess
let alice: JsonlProcess
let bob: JsonlProcess
const path = folderForTests()

before(async () => {
  router = await RouterProcess.start(path('router'))
  alice = JsonlProcess.start(path('alice'), router.address)
  bob = JsonlProcess.start(path('bob'), router.address)
}, TIME)
after(async () => {
  assert.deepEqual(await Promise.all([alice.end(), bob.end()]), [0, 0])
  for (const { stderr } of [alice, bob]) assert.equal(stderr, '')
  for (const agent of [alice, bob]) assert.deepEqual([...agent.events('ERR'), ...agent.events('RSYNC')], [])
  assert.equal(await router.stop(), 0)
})

const of = (connId: string) => (line: EventLine) => line.connId === connId
const send = async (agent: JsonlProcess, connId: string, fields: Readonly<Record<string, unknown>>) =>
  (await agent.request<{ msgId: number }>('sendMessage', { connId, ...fields })).msgId
const status = (agent: JsonlProcess, connId: string, msgId: number) =>
  agent.request<Record<string, string>>('messageStatus', { connId, msgId })

/** Takes the next message and acknowledges it. */
async function receive(agent: JsonlProcess, connId: string, receipt = false): Promise<EventLine> {
  const message = await agent.next('MSG', of(connId))
  await agent.request('ackMessage', { connId, msgId: message.msgId, receipt })
  return message
}

describe('one connection', TIME, () => {
  let connected: Connected
  before(async () => {
    connected = await connect(alice, bob)
  }, TIME)

  test('a message: SENT, MSG, RCVD and STATUS with their fields, and the state at each step', async () => {
    const { a, b } = connected
    const before = Date.now()
    const msgId = await send(alice, a, { text: 'Grüße 🙂' })
    assert.ok(Number.isSafeInteger(msgId))
    assert.deepEqual(await alice.next('SENT', of(a)), { event: 'SENT', connId: a, msgId })
    assert.deepEqual(await alice.next('STATUS', of(a)), { event: 'STATUS', connId: a, msgId, state: 'sent' })
    const { since, createdAt, sentAt, ...sent } = await status(alice, a, msgId)
    assert.deepEqual(sent, { connId: a, msgId, state: 'sent' })
    for (const time of [since, createdAt, sentAt]) {
      assert.match(`${time}`, ISO)
      const passed = Date.parse(`${time}`) - before
      assert.ok(passed >= 0 && passed < 30_000, `${time}`)
    }

    const { msgId: received, brokerTs, notification, ...message } = await bob.next('MSG', of(b))
    assert.deepEqual(message, {
      event: 'MSG',
      connId: b,
      integrity: 'ok',
      body: Buffer.from('Grüße 🙂').toString('base64'),
      text: 'Grüße 🙂',
      pq: true,
    })
    assert.ok(Number.isSafeInteger(received))
    assert.match(`${brokerTs}`, ISO)
    assert.equal(notification, true)

    assert.deepEqual(await bob.request('ackMessage', { connId: b, msgId: received, receipt: true }), {})
    const { msgId: rcvdId, brokerTs: rcvdTs, integrity, ...rcvd } = await alice.next('RCVD', of(a))
    assert.deepEqual(rcvd, { event: 'RCVD', connId: a, receipts: [{ msgId, status: 'ok' }] })
    assert.match(`${rcvdTs}`, ISO)
    assert.equal(integrity, 'ok')
    const told = alice.events('STATUS').filter((line) => line.msgId === msgId)
    assert.deepEqual(told.at(-1), { event: 'STATUS', connId: a, msgId, state: 'received' })
    for (const acknowledged of [false, true]) {
      const now = await status(alice, a, msgId)
      assert.equal(now.state, 'received', `RCVD acknowledged: ${acknowledged}`)
      assert.equal(now.sentAt, sentAt)
      if (!acknowledged) assert.deepEqual(await alice.request('ackMessage', { connId: a, msgId: rcvdId }), {})
    }
  })

  for (const [what, body, text] of [
    ['nothing', Buffer.alloc(0), ''],
    ['bytes that are not UTF-8', Buffer.from('00ff80fe', 'hex'), undefined],
    ['a cut character', Buffer.from('ok€').subarray(0, 3), undefined],
    [
      'control characters and a byte order mark',
      Buffer.from('\ufeff\u0000\u001b[31m\r\n"\\'),
      '\ufeff\0\x1b[31m\r\n"\\',
    ],
  ] as const) {
    test(`a body of ${what} arrives as it was; text is there only for UTF-8`, async () => {
      const { a, b } = connected
      await send(alice, a, { body: body.toString('base64') })
      const message = await receive(bob, b)
      assert.equal(message.body, body.toString('base64'))
      assert.equal('text' in message, text !== undefined)
      assert.equal(message.text, text)
    })
  }

  test('base64 without padding is base64', async () => {
    await send(alice, connected.a, { body: 'eHk' })
    assert.equal((await receive(bob, connected.b)).text, 'xy')
  })

  test('the next message comes only when the one before is acknowledged', async () => {
    const { a, b } = connected
    const texts = ['one', 'two', 'three']
    for (const text of texts) await send(alice, a, { text })
    const last = await alice.line((line) => line.event === 'SENT' && line.msgId === alice.events('SENT').at(-1)?.msgId)
    assert.ok(last)
    for (const text of texts) {
      const message = await bob.next('MSG', of(b))
      assert.equal(message.text, text)
      // A whole conversation of another connection fits in between.
      const other = await connect(bob, alice)
      await send(alice, other.b, { text: 'meanwhile' })
      assert.equal((await bob.next('MSG')).connId, other.a)
      await bob.request('ackMessage', { connId: b, msgId: message.msgId })
    }
  })

  test('a receipt that is not acknowledged holds the following messages', async () => {
    const { a, b } = connected
    await send(alice, a, { text: 'please confirm' })
    await receive(bob, b, true)
    const rcvd = await alice.next('RCVD', of(a))
    await send(bob, b, { text: 'held' })
    const other = await connect(bob, alice)
    await send(bob, other.a, { text: 'meanwhile' })
    assert.equal((await alice.next('MSG')).connId, other.b)
    await alice.request('ackMessage', { connId: a, msgId: rcvd.msgId })
    assert.equal((await receive(alice, a)).text, 'held')
  })

  test('acknowledging twice changes nothing; a receipt of a receipt is CMD PROHIBITED', async () => {
    const { a, b } = connected
    const msgId = await send(alice, a, { text: 'twice' })
    const { msgId: received } = await bob.next('MSG', of(b))
    for (const receipt of [true, true, false]) await bob.request('ackMessage', { connId: b, msgId: received, receipt })
    const rcvd = await alice.next('RCVD', of(a))
    assert.deepEqual(rcvd.receipts, [{ msgId, status: 'ok' }])
    const { type, cmdErr } = await alice.refused('ackMessage', { connId: a, msgId: rcvd.msgId, receipt: true })
    assert.deepEqual([type, cmdErr], ['CMD', { type: 'PROHIBITED' }])
    await alice.request('ackMessage', { connId: a, msgId: rcvd.msgId })
    // One receipt only: the next event of the connection is the next message.
    await send(bob, b, { text: 'after' })
    assert.equal((await alice.line((line) => line.connId === a && line.text === 'after')).text, 'after')
    assert.equal(
      alice.events('RCVD').filter(({ receipts }) => JSON.stringify(receipts).includes(`${msgId},`)).length,
      1,
    )
    await receive(alice, a)
  })

  test('ids are of the own side: neither the sender acknowledges nor the receiver has a state', async () => {
    const { a, b } = connected
    const msgId = await send(alice, a, { text: 'mine' })
    const own = await alice.refused('ackMessage', { connId: a, msgId })
    assert.deepEqual([own.type, own.connErr], ['CONN', { type: 'NOT_FOUND' }])
    const { msgId: received } = await receive(bob, b)
    const theirs = await bob.refused('messageStatus', { connId: b, msgId: received })
    assert.deepEqual([theirs.type, theirs.connErr], ['CONN', { type: 'NOT_FOUND' }])
  })

  test('without a receipt the last state is sent', async () => {
    const { a, b } = connected
    const msgId = await send(alice, a, { text: 'no receipt' })
    await receive(bob, b)
    await send(bob, b, { text: 'answer' })
    await receive(alice, a)
    assert.equal((await status(alice, a, msgId)).state, 'sent')
  })
})

describe('size', TIME, () => {
  for (const [name, pq] of [
    ['pq', true],
    ['classic', false],
  ] as const) {
    test(`the longest ${name} body is ${MAX_BODY[name]} bytes; more is CMD LARGE and nothing is sent`, async () => {
      const { a, b } = await connect(alice, bob, pq)
      const longest = 'x'.repeat(MAX_BODY[name])
      for (const fields of [
        { text: `${longest}x` },
        // Bytes count, not characters.
        { text: 'é'.repeat(Math.ceil((MAX_BODY[name] + 1) / 2)) },
        { body: Buffer.alloc(MAX_BODY[name] + 1).toString('base64') },
        { text: 'x'.repeat(500_000) },
      ]) {
        const { type, cmdErr } = await alice.refused('sendMessage', { connId: a, ...fields })
        assert.deepEqual([type, cmdErr], ['CMD', { type: 'LARGE' }])
      }
      const msgId = await send(alice, a, { text: longest })
      const message = await receive(bob, b)
      assert.equal(message.text, longest)
      assert.equal(message.integrity, 'ok', 'what was refused has taken no number')
      // Bob may have it a moment before Alice's agent has noted that it was sent.
      await alice.line((line) => line.event === 'SENT' && line.connId === a && line.msgId === msgId)
      assert.equal((await status(alice, a, msgId)).state, 'sent')
    })
  }
})

describe('pq of a message', TIME, () => {
  /** Sends to and fro until a message is encrypted as wanted; the ratchet takes a few turns. */
  async function turnsUntil({ a, b }: Connected, pq: boolean, wanted: boolean): Promise<void> {
    for (let turn = 0; turn < 8; turn++) {
      await send(alice, a, { text: 'to', pq })
      const to = await receive(bob, b)
      await send(bob, b, { text: 'fro', pq })
      const fro = await receive(alice, a)
      if (to.pq === wanted && fro.pq === wanted) return
    }
    assert.fail(`not ${wanted} after 8 turns`)
  }

  test('turns the encryption off and on again; without it the connection’s setting stays', async () => {
    const connected = await connect(alice, bob)
    await turnsUntil(connected, false, false)
    await send(alice, connected.a, { text: 'as it is' })
    assert.equal((await receive(bob, connected.b)).pq, false)
    await turnsUntil(connected, true, true)
    await send(alice, connected.a, { text: 'as it is' })
    assert.equal((await receive(bob, connected.b)).pq, true)
  })

  test('turns it on where the connection was made without, and bodies are shorter from then on', async () => {
    const connected = await connect(alice, bob, false)
    await turnsUntil(connected, true, true)
    const { type, cmdErr } = await alice.refused('sendMessage', {
      connId: connected.a,
      text: 'x'.repeat(MAX_BODY.pq + 1),
    })
    assert.deepEqual([type, cmdErr], ['CMD', { type: 'LARGE' }])
    const { connections } = await alice.request<{ connections: { connId: string; pq: boolean }[] }>('listConnections')
    assert.equal(connections.find(({ connId }) => connId === connected.a)?.pq, true)
  })
})

test('a hundred messages each way at once, with receipts: all once, in order, all received', TIME, async () => {
  const { a, b } = await connect(alice, bob)
  const COUNT = 100
  const run = async (from: JsonlProcess, connId: string) => {
    const ids = await Promise.all(Array.from({ length: COUNT }, (_, i) => send(from, connId, { text: `${i}` })))
    assert.deepEqual(
      ids,
      ids.toSorted((x, y) => x - y),
    )
    return ids
  }
  const read = async (agent: JsonlProcess, connId: string) => {
    const texts: unknown[] = []
    let receipts = 0
    let seen = 0
    while (texts.length < COUNT || receipts < COUNT) {
      const event = await agent.line((one) => one.connId === connId && /^(MSG|RCVD)$/.test(one.event), seen)
      seen = agent.lines.indexOf(event) + 1
      assert.equal(event.integrity, 'ok')
      if (event.event === 'MSG') texts.push(event.text)
      else receipts += (event.receipts as unknown[]).length
      await agent.request('ackMessage', { connId, msgId: event.msgId, receipt: event.event === 'MSG' })
    }
    assert.deepEqual(
      texts,
      Array.from({ length: COUNT }, (_, i) => `${i}`),
    )
  }
  const [idsA, idsB] = await Promise.all([run(alice, a), run(bob, b), read(alice, a), read(bob, b)])
  for (const id of idsA) assert.equal((await status(alice, a, id)).state, 'received')
  for (const id of idsB) assert.equal((await status(bob, b, id)).state, 'received')
})
