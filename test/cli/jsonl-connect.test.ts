// Invitations and contact addresses between two or three agents, through a router.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type EventLine, JsonlProcess } from './jsonl-process.ts'
import { folderForTests, RouterProcess, runParley } from './parley.ts'

const TIME = { timeout: 60_000 }
const ID = /^[\w-]{16}$/

interface Created {
  readonly connId: string
  readonly link: string
  readonly shortLink: string
}

let router: RouterProcess
let alice: JsonlProcess
let bob: JsonlProcess
let carol: JsonlProcess
const path = folderForTests()

before(async () => {
  router = await RouterProcess.start(path('router'))
  alice = JsonlProcess.start(path('alice'), router.address)
  bob = JsonlProcess.start(path('bob'), router.address)
  carol = JsonlProcess.start(path('carol'), router.address)
}, TIME)
after(async () => {
  assert.deepEqual(await Promise.all([alice.end(), bob.end(), carol.end()]), [0, 0, 0])
  for (const { stderr, events } of [alice, bob, carol]) assert.equal(stderr, '', `${events}`)
  for (const agent of [alice, bob, carol]) assert.deepEqual([...agent.events('ERR'), ...agent.events('ERRS')], [])
  assert.equal(await router.stop(), 0)
})

const of = (connId: string) => (line: EventLine) => line.connId === connId
const create = (agent: JsonlProcess, mode: string, pq?: boolean) =>
  agent.request<Created>('createConnection', { mode, ...(pq !== undefined && { pq }) })
const join = async (agent: JsonlProcess, link: string, info: string, pq?: boolean) =>
  (await agent.request<{ connId: string }>('joinConnection', { link, info, ...(pq !== undefined && { pq }) })).connId

/** What `parley inspect link` says of a link. */
async function inspect(link: string) {
  const { code, stdout, stderr } = await runParley(['inspect', 'link', '-'], { input: link })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as {
    type: string
    request: { mode: string; e2eParams?: { kem?: unknown } }
    link: { mode: string }
  }
}

const notFound = (error: { type: string; connErr?: unknown }) =>
  assert.deepEqual([error.type, error.connErr], ['CONN', { type: 'NOT_FOUND' }])
const auth = (error: { type: string; smpErr?: unknown }) =>
  assert.deepEqual([error.type, error.smpErr], ['SMP', { type: 'AUTH' }])

describe('an invitation', TIME, () => {
  test('has a full and a short link, and connects: CONF, INFO and CON with their fields', async () => {
    const { connId, link, shortLink, ...rest } = await create(alice, 'invitation')
    assert.match(connId, ID)
    assert.match(link, /^simplex:\/invitation#\/\?v=2-7&smp=smp%3A%2F%2F/)
    assert.match(shortLink, /^https:\/\/127\.0\.0\.1\/i#/)
    assert.deepEqual(rest, {})

    const joined = await join(bob, link, 'Bob 🙂')
    assert.match(joined, ID)
    const { confId, servers, ...conf } = await alice.next('CONF', of(connId))
    assert.match(`${confId}`, ID)
    assert.deepEqual(servers, [router.address])
    assert.deepEqual(conf, { event: 'CONF', connId, info: 'Bob 🙂', pq: true })

    assert.deepEqual(await alice.request('allowConnection', { connId, confId, info: 'Alice' }), {})
    assert.deepEqual(await bob.next('INFO', of(joined)), { event: 'INFO', connId: joined, info: 'Alice', pq: true })
    assert.deepEqual(await bob.next('CON', of(joined)), { event: 'CON', connId: joined, pq: true })
    assert.deepEqual(await alice.next('CON', of(connId)), { event: 'CON', connId, pq: true })
  })

  for (const form of ['link', 'shortLink'] as const) {
    for (const [inviter, joiner] of [
      [true, true],
      [true, false],
      [false, true],
      [false, false],
      [undefined, undefined],
    ]) {
      test(`by its ${form}, pq ${inviter} and ${joiner}`, async () => {
        const pq = (inviter ?? true) && (joiner ?? true)
        const created = await create(alice, 'invitation', inviter)
        const joined = await join(bob, created[form], '', joiner)
        const { confId, pq: supported } = await alice.next('CONF', of(created.connId))
        assert.equal(supported, inviter ?? true, 'what this side would do, as in the original')
        await alice.request('allowConnection', { connId: created.connId, confId, info: '' })
        assert.equal((await alice.next('CON', of(created.connId))).pq, pq)
        assert.equal((await bob.next('CON', of(joined))).pq, pq)
        const { msgId } = await bob.request<{ msgId: number }>('sendMessage', { connId: joined, text: 'x' })
        assert.equal(typeof msgId, 'number')
        assert.equal((await alice.next('MSG', of(created.connId))).pq, pq)
      })
    }
  }

  test('has a KEM key exactly when pq is on', async () => {
    for (const pq of [true, false]) {
      const { link, shortLink } = await create(alice, 'invitation', pq)
      const { type, request } = await inspect(link)
      assert.deepEqual([type, request.mode], ['full', 'invitation'])
      assert.equal(request.e2eParams?.kem !== undefined, pq)
      assert.equal((await inspect(shortLink)).link.mode, 'invitation')
    }
  })

  test('is for one: others are told SMP AUTH, by either link, and keep nothing', async () => {
    const { connId, link, shortLink } = await create(alice, 'invitation')
    await join(bob, shortLink, 'Bob')
    const { connections } = await carol.request<{ connections: unknown[] }>('listConnections')
    for (const used of [link, shortLink]) auth(await carol.refused('joinConnection', { link: used, info: 'Carol' }))
    assert.deepEqual((await carol.request('listConnections')).connections, connections)
    assert.equal((await alice.next('CONF', of(connId))).info, 'Bob')
  })

  test('survives information that is too large: CMD LARGE, and the link can still be used', async () => {
    const { connId, shortLink } = await create(alice, 'invitation')
    const { type, cmdErr } = await bob.refused('joinConnection', { link: shortLink, info: 'i'.repeat(20_000) })
    assert.deepEqual([type, cmdErr], ['CMD', { type: 'LARGE' }])
    const joined = await join(bob, shortLink, 'i'.repeat(10_000))
    const { confId, info } = await alice.next('CONF', of(connId))
    assert.equal(`${info}`.length, 10_000)
    const tooLarge = await alice.refused('allowConnection', { connId, confId, info: 'i'.repeat(20_000) })
    assert.deepEqual([tooLarge.type, tooLarge.cmdErr], ['CMD', { type: 'LARGE' }])
    await alice.request('allowConnection', { connId, confId, info: 'i'.repeat(10_000) })
    assert.equal(`${(await bob.next('INFO', of(joined))).info}`.length, 10_000)
    await alice.next('CON', of(connId))
  })

  test('is allowed once', async () => {
    const { connId, link } = await create(alice, 'invitation')
    await join(bob, link, '')
    const { confId } = await alice.next('CONF', of(connId))
    await alice.request('allowConnection', { connId, confId, info: '' })
    const { type, cmdErr, connErr } = await alice.refused('allowConnection', { connId, confId, info: '' })
    assert.ok(type === 'CMD' ? cmdErr : connErr)
    await alice.next('CON', of(connId))
    notFound(await alice.refused('allowConnection', { connId, confId, info: '' }))
  })

  test('joined again by who has joined it is the same connection; once connected it is CONN DUPLICATE', async () => {
    const { connId, link, shortLink } = await create(alice, 'invitation')
    const joined = await join(bob, shortLink, '')
    for (const used of [link, shortLink]) assert.equal(await join(bob, used, ''), joined)
    const { confId } = await alice.next('CONF', of(connId))
    await alice.request('allowConnection', { connId, confId, info: '' })
    await alice.next('CON', of(connId))
    await bob.next('CON', of(joined))
    for (const used of [link, shortLink]) {
      const { type, connErr } = await bob.refused('joinConnection', { link: used, info: '' })
      assert.deepEqual([type, connErr], ['CONN', { type: 'DUPLICATE' }])
    }
    await bob.request('sendMessage', { connId: joined, text: 'still there' })
    assert.equal((await alice.next('MSG', of(connId))).text, 'still there')
  })

  test('takes no messages of its maker before it is allowed: CONN SIMPLEX', async () => {
    const { connId, link } = await create(alice, 'invitation')
    const simplex = async () => {
      const { type, connErr } = await alice.refused('sendMessage', { connId, text: 'early' })
      assert.deepEqual([type, connErr], ['CONN', { type: 'SIMPLEX' }])
    }
    await simplex()
    await join(bob, link, '')
    await alice.next('CONF', of(connId))
    await simplex()
  })
})

describe('a contact address', TIME, () => {
  for (const form of ['link', 'shortLink'] as const) {
    for (const [owner, requester, accepter] of [
      [true, true, true],
      [undefined, undefined, undefined],
      [true, false, true],
      [false, true, true],
      [true, true, false],
      [false, false, false],
    ]) {
      test(`by its ${form}, pq ${owner}, ${requester} and accepted with ${accepter}`, async () => {
        const created = await create(alice, 'contact', owner)
        const requested = await join(bob, created[form], 'Bob', requester)
        const { invId, keyAgreement, servers, pq: asked, ...req } = await alice.next('REQ')
        assert.match(`${invId}`, ID)
        assert.equal(Buffer.from(`${keyAgreement}`, 'base64').length, 32)
        assert.deepEqual(servers, [router.address])
        assert.deepEqual(req, { event: 'REQ', connId: created.connId, info: 'Bob' })
        assert.equal(asked, true, 'what the versions of the requester support, as in the original')

        const { connId, ...rest } = await alice.request<{ connId: string }>('acceptContact', {
          invId,
          info: 'Alice',
          ...(accepter !== undefined && { pq: accepter }),
        })
        assert.deepEqual(rest, {})
        assert.notEqual(connId, created.connId)
        const { confId, info } = await bob.next('CONF', of(requested))
        assert.equal(info, 'Alice')
        await bob.request('allowConnection', { connId: requested, confId, info: 'Bob again' })
        assert.equal((await alice.next('INFO', of(connId))).info, 'Bob again')
        const pq = (requester ?? true) && (accepter ?? true)
        assert.equal((await alice.next('CON', of(connId))).pq, pq)
        assert.equal((await bob.next('CON', of(requested))).pq, pq)
        await alice.request('deleteConnection', { connId: created.connId })
      })
    }
  }

  test('has no KEM key in its full link, whatever pq is', async () => {
    for (const pq of [true, false]) {
      const { connId, link, shortLink } = await create(alice, 'contact', pq)
      assert.doesNotMatch(link, /kem|e2e/)
      const { type, request } = await inspect(link)
      assert.deepEqual([type, request.mode, request.e2eParams], ['full', 'contact', undefined])
      assert.match(shortLink, /^https:\/\/127\.0\.0\.1\/a#/)
      assert.equal((await inspect(shortLink)).link.mode, 'contact')
      await alice.request('deleteConnection', { connId })
    }
  })

  test('is for many, and goes on after a request was accepted or rejected', async () => {
    const { connId, link, shortLink } = await create(alice, 'contact')
    await join(bob, link, 'first')
    const first = await alice.next('REQ', of(connId))
    assert.deepEqual(await alice.request('rejectContact', { invId: first.invId }), {})
    await join(carol, shortLink, 'second')
    const second = await alice.next('REQ', of(connId))
    assert.notEqual(first.invId, second.invId)
    const accepted = await alice.request('acceptContact', { invId: second.invId, info: '' })
    assert.deepEqual(await alice.request('acceptContact', { invId: second.invId, info: '' }), accepted)
    await join(bob, shortLink, 'third')
    const third = await alice.next('REQ', of(connId))
    assert.deepEqual([first.info, second.info, third.info], ['first', 'second', 'third'])
  })

  test('a rejected request is gone, and its sender is not told', async () => {
    const { connId, link } = await create(alice, 'contact')
    const requested = await join(bob, link, 'Bob')
    const { invId } = await alice.next('REQ', of(connId))
    await alice.request('rejectContact', { invId })
    notFound(await alice.refused('rejectContact', { invId }))
    notFound(await alice.refused('acceptContact', { invId, info: '' }))
    // Whatever comes to Bob later comes after anything that the rejection had sent.
    await connect(bob, carol)
    assert.deepEqual(
      bob.lines.filter((line) => line.connId === requested),
      [],
    )
  })

  test('carries no messages: CONN SIMPLEX', async () => {
    const { connId } = await create(alice, 'contact')
    const { type, connErr } = await alice.refused('sendMessage', { connId, text: 'x' })
    assert.deepEqual([type, connErr], ['CONN', { type: 'SIMPLEX' }])
  })

  test('suspended or deleted it takes no more requests', async () => {
    for (const cmd of ['suspendConnection', 'deleteConnection']) {
      const { connId, link } = await create(alice, 'contact')
      await alice.request(cmd, { connId })
      if (cmd === 'deleteConnection') await alice.next('DEL_RCVQS')
      auth(await bob.refused('joinConnection', { link, info: 'late' }))
    }
  })
})

test('an invitation joined by its own agent connects it with itself, or is refused; nothing breaks', TIME, async () => {
  const { connId, link } = await create(carol, 'invitation')
  const joined = await join(carol, link, 'me')
  const { confId } = await carol.next('CONF', of(connId))
  await carol.request('allowConnection', { connId, confId, info: 'myself' })
  await Promise.all([
    carol.line((line) => line.event === 'CON' && line.connId === joined),
    carol.next('CON', of(connId)),
  ])
  await carol.request('sendMessage', { connId, text: 'to myself' })
  assert.equal((await carol.next('MSG', of(joined))).text, 'to myself')
})

test('listConnections tells of every connection, oldest first', TIME, async () => {
  const dave = JsonlProcess.start(path('dave'), router.address)
  assert.deepEqual(await dave.request('listConnections'), { connections: [] })
  const contact = await create(dave, 'contact', false)
  const invitation = await create(dave, 'invitation')
  const { a } = await connect(dave, bob)
  const { connections } = await dave.request<{ connections: { connId: string; mode: string; pq: boolean }[] }>(
    'listConnections',
  )
  assert.deepEqual(
    connections.map(({ connId, mode, pq }) => ({ connId, mode, pq })),
    [
      { connId: contact.connId, mode: 'contact', pq: false },
      { connId: invitation.connId, mode: 'invitation', pq: true },
      { connId: a, mode: 'invitation', pq: true },
    ],
  )
  assert.equal(await dave.end(), 0)
})
