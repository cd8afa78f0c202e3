import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { challengeMessage } from '@parley/acn/entrance'
import { AcnStatusError, decodeEnvelope, encodeAgentRecord, STATUS } from '@parley/acn/protocol'
import { agent, envelopeBytes, peerKey, until } from '../entrance/agents.ts'
import { closed } from '../entrance/frame-peer.ts'
import { ask, inSession, mailboxNode, session } from './mailbox-fixture.ts'

const alice = agent(11)
const bob = agent(12, 'cosmos')
const eve = agent(13, 'ethereum')

function textOf(body: Uint8Array): string {
  return Buffer.from(decodeEnvelope(body).message).toString()
}

test('an agent sends, and fetches what waits, in order and each once', async (t) => {
  const { server, node } = await mailboxNode(t)
  const a = inSession(server.port, await session(server.port, alice.record))
  const b = inSession(server.port, await session(server.port, bob.record))
  for (const message of ['1', '2', '3']) {
    assert.equal((await a.send(envelopeBytes(alice.address, bob.address, message))).status, 200)
  }
  for (const message of ['1', '2', '3']) assert.equal(textOf((await b.get()).body), message)
  const empty = await b.get()
  assert.deepEqual([empty.status, empty.body.length], [200, 0])
  assert.deepEqual(
    node.outcomes.map(({ type }) => type),
    ['answered', 'answered', 'answered'],
  )
})

test("a session is its agent's alone, and ends when the agent registers again", async (t) => {
  const { server, node } = await mailboxNode(t)
  const token = await session(server.port, alice.record)
  const older = inSession(server.port, token)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  assert.equal(textOf((await older.get()).body), '1')
  // Fetched, and not said to have arrived: the agent that registers again may not have it.
  const newer = inSession(server.port, await session(server.port, alice.record))
  assert.equal((await older.get()).status, 400)
  assert.equal((await older.send(envelopeBytes(alice.address, bob.address))).status, 400)
  assert.deepEqual(node.outcomes, [{ type: 'interrupted' }])
  assert.equal(textOf((await newer.get()).body), '1')
  // Leaving the older one is allowed and takes nothing from the newer one.
  assert.equal((await older.unregister()).status, 200)
  assert.equal((await newer.get()).status, 200)
  assert.equal(server.agents, 1)
  assert.equal((await node.detached.take())?.address, alice.address)
})

test('leaving ends the session, with what was fetched last', async (t) => {
  const { server, node } = await mailboxNode(t)
  const a = inSession(server.port, await session(server.port, alice.record))
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  await a.get()
  assert.equal((await a.unregister()).status, 200)
  assert.equal((await node.detached.take())?.kind, 'mailbox')
  assert.deepEqual(node.outcomes, [{ type: 'answered', status: { code: 0, msgs: [] } }])
  for (const answer of [await a.get(), await a.unregister(), await a.send(envelopeBytes(alice.address, bob.address))]) {
    assert.equal(answer.status, 400)
    assert.match(answer.body.toString(), /session_id/)
  }
  assert.equal(server.agents, 0)
})

test('an envelope whose answer did not arrive whole is the answer again', async (t) => {
  const { server, node } = await mailboxNode(t)
  const token = await session(server.port, alice.record)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, Buffer.alloc(2_000_000, 0x61)))
  const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.write(`GET /get_envelope HTTP/1.1\r\nHost: x\r\nSession-Id: ${token}\r\n\r\n`)
  await once(socket, 'data')
  socket.destroy()
  const answer = await inSession(server.port, token).get()
  assert.equal(decodeEnvelope(answer.body).message.length, 2_000_000)
})

test('the unchanged client hears 200 of errors, a Parley client the status', async (t) => {
  const { server, node } = await mailboxNode(t)
  const token = await session(server.port, alice.record)
  const body = envelopeBytes(bob.address, alice.address)
  assert.equal((await inSession(server.port, token).send(body)).status, 200)
  assert.equal(node.submissions.length, 1)
  const registered = await ask(server.port, 'POST', '/register', {
    headers: { 'Parley-Version': '1' },
    body: encodeAgentRecord(alice.record),
  })
  assert.equal(registered.headers['parley-version'], '1')
  const headers = { 'Session-Id': registered.body.toString(), 'Parley-Id': '0'.repeat(32) }
  const told = await ask(server.port, 'POST', '/send_envelope', { headers, body })
  assert.equal(told.status, 400)
  assert.equal(told.headers['parley-status'], String(STATUS.ERROR_WRONG_AGENT_ADDRESS))
  const bad = await ask(server.port, 'POST', '/send_envelope', { headers: { ...headers, 'Parley-Id': 'x' }, body })
  assert.equal(bad.status, 400)
})

test('a Parley client waits for what comes, and says what it has', async (t) => {
  const { server, node } = await mailboxNode(t)
  const registered = await ask(server.port, 'POST', '/register', {
    headers: { 'Parley-Version': '1' },
    body: encodeAgentRecord(alice.record),
  })
  const headers = { 'Session-Id': registered.body.toString(), 'Parley-Wait': '20' }
  const waiting = ask(server.port, 'GET', '/get_envelope', { headers })
  await until(() => node.sessions.length === 1)
  const id = node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  const first = await waiting
  assert.equal(first.headers['parley-id'], id)
  // Not acknowledged: it is the answer again.
  assert.equal((await ask(server.port, 'GET', '/get_envelope', { headers })).headers['parley-id'], id)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '2'))
  const second = await ask(server.port, 'GET', '/get_envelope', { headers: { ...headers, 'Parley-Ack': `${id} 4` } })
  assert.equal(textOf(second.body), '2')
  assert.deepEqual(node.outcomes, [{ type: 'answered', status: { code: 4, msgs: [] } }])
})

test('a wait ends with the session and with the connection', async (t) => {
  const { server, node } = await mailboxNode(t)
  const register = () =>
    ask(server.port, 'POST', '/register', { headers: { 'Parley-Version': '1' }, body: encodeAgentRecord(alice.record) })
  const headers = { 'Session-Id': (await register()).body.toString(), 'Parley-Wait': '20' }
  const gone = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
  await once(gone, 'secureConnect')
  gone.write(`GET /get_envelope HTTP/1.1\r\nHost: x\r\nSession-Id: ${headers['Session-Id']}\r\nParley-Wait: 20\r\n\r\n`)
  await until(() => server.connections > 0)
  gone.destroy()
  // The one that has gone keeps nobody waiting.
  const waiting = ask(server.port, 'GET', '/get_envelope', { headers })
  await register()
  const answer = await waiting
  assert.ok(answer.status === 200 || answer.status === 400)
  assert.equal(answer.body.length, 0)
  assert.equal(node.closedSources, 1)
})

test('an agent that can signs a challenge', async (t) => {
  const { server, node, certificate } = await mailboxNode(t, { challenge: 'required' })
  const body = encodeAgentRecord(eve.record)
  const plain = await ask(server.port, 'POST', '/register', { body })
  assert.equal(plain.status, 400)
  const offered = { 'Parley-Version': '1', 'Parley-Challenge': 'offered' }
  const asked = await ask(server.port, 'POST', '/register', { headers: offered, body })
  assert.equal(asked.status, 401)
  const challenge = String(asked.headers['parley-challenge'])
  const answerWith = (signature: string, of = challenge) =>
    ask(server.port, 'POST', '/register', {
      headers: { ...offered, 'Parley-Challenge': of, 'Parley-Challenge-Answer': signature },
      body,
    })
  const signed = (of: string) => {
    const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge: Buffer.from(of, 'hex') }
    return eve.ledger.sign(eve.privateKey, challengeMessage(context))
  }
  assert.equal((await answerWith('0x00')).status, 400)
  // A challenge that this mailbox never made.
  const invented = Buffer.alloc(32, 1).toString('hex')
  assert.equal((await answerWith(signed(invented), invented)).status, 400)
  assert.equal((await answerWith(signed(challenge))).status, 200)
  assert.equal(node.sessions[0]?.answeredChallenge, true)
})

test('requests that are none are refused, and whoever sends them learns nothing', async (t) => {
  const { server, node, errors } = await mailboxNode(t)
  const token = await session(server.port, alice.record)
  const { port } = server
  const cases: [string, string, Parameters<typeof ask>[3], number, string][] = [
    ['GET', '/register', {}, 400, 'invalid method'],
    ['POST', '/register', {}, 400, 'Empty body'],
    ['POST', '/register', { body: Uint8Array.of(0xff) }, 400, 'Error on agent record deserialize'],
    ['POST', '/register', { body: encodeAgentRecord({ ...alice.record, signature: 'x' }) }, 400, 'Invalid PoR'],
    ['POST', '/get_envelope', { headers: { 'Session-Id': token } }, 400, 'invalid method'],
    ['GET', '/get_envelope', { headers: { 'Session-Id': `${token}0` } }, 400, 'invalid session_id header'],
    ['POST', '/send_envelope', { headers: { 'Session-Id': token } }, 400, 'Empty body'],
    ['POST', '/send_envelope', { headers: { 'Session-Id': token }, body: 'ÿÿ' }, 400, 'error on decoding envelope'],
    ['DELETE', '/unregister', {}, 400, 'invalid method'],
    ['POST', '/ssl_signature', {}, 400, 'invalid method'],
    ['GET', '/', {}, 404, '404 page not found\n'],
    ['GET', '/../etc/passwd', {}, 404, '404 page not found\n'],
    ['GET', '/get_envelope/', {}, 404, '404 page not found\n'],
  ]
  for (const [method, path, asked, status, text] of cases) {
    const answer = await ask(port, method, path, asked)
    assert.deepEqual([path, answer.status, answer.body.toString()], [path, status, text])
  }
  assert.equal(node.submissions.length, 0)
  assert.deepEqual(errors, [])
})

test("bodies are bounded: a record's and an envelope's", async (t) => {
  const { server } = await mailboxNode(t)
  const token = await session(server.port, alice.record)
  for (const [path, length] of [
    ['/register', 20_000],
    ['/send_envelope', 3 * 1024 * 1024 + 1],
  ] as const) {
    const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nSession-Id: ${token}\r\n`
    socket.write(`${head}Content-Length: ${length}\r\n\r\n`)
    const ended = closed(socket)
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 413 /)
    socket.resume()
    await ended
    // Without a length nobody knows before it has come.
    const chunked = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
    chunked.on('error', () => {})
    await once(chunked, 'secureConnect')
    chunked.resume()
    const chunkedEnded = closed(chunked)
    chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
    const piece = Buffer.alloc(10_000)
    for (let sent = 0; sent <= length && chunked.writable; sent += piece.length) {
      chunked.write(`${piece.length.toString(16)}\r\n`)
      chunked.write(piece)
      chunked.write('\r\n')
    }
    await chunkedEnded
  }
  assert.equal((await inSession(server.port, token).get()).status, 200)
})

test('bytes that are no HTTP, and connections that say nothing, end nothing but themselves', async (t) => {
  const { server } = await mailboxNode(t)
  const silent = connectTcp(server.port, '127.0.0.1')
  t.after(() => silent.destroy())
  await once(silent, 'connect')
  const garbage = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
  garbage.on('error', () => {})
  await once(garbage, 'secureConnect')
  garbage.resume()
  const garbageEnded = closed(garbage)
  garbage.write(Buffer.alloc(2_000, 0xff))
  await garbageEnded
  assert.equal((await ask(server.port, 'GET', '/ssl_signature')).status, 200)
})

test('sessions that nobody uses end, and too many from one address end the one not used for longest', async (t) => {
  const { server, node } = await mailboxNode(t, { sessions: { maxPerAddress: 2 } })
  const a = inSession(server.port, await session(server.port, alice.record))
  const b = inSession(server.port, await session(server.port, bob.record))
  assert.equal((await a.get()).status, 200)
  await session(server.port, eve.record)
  assert.equal((await node.detached.take())?.address, bob.address)
  assert.equal((await b.get()).status, 400)
  assert.equal((await a.get()).status, 200)

  const brief = await mailboxNode(t, { sessions: { idleMs: 0 } })
  const c = inSession(brief.server.port, await session(brief.server.port, alice.record))
  assert.equal((await c.get()).status, 400)
})

test('a mailbox with as many sessions as it has room for takes no more', async (t) => {
  const { server } = await mailboxNode(t, { sessions: { maxSessions: 1 } })
  await session(server.port, alice.record)
  const refused = await ask(server.port, 'POST', '/register', { body: encodeAgentRecord(bob.record) })
  assert.equal(refused.status, 503)
})

test('what the handler refuses or fails at is said without a reason of ours', async (t) => {
  const { server, node, errors } = await mailboxNode(t)
  node.refuse = new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'full')
  const refused = await ask(server.port, 'POST', '/register', { body: encodeAgentRecord(alice.record) })
  assert.deepEqual([refused.status, refused.headers['parley-status']], [400, '21'])
  node.refuse = undefined
  const a = inSession(server.port, await session(server.port, alice.record))
  node.pending = () => assert.fail('not called again')
  node.answer = async () => {
    throw new Error('disk /secret is full')
  }
  assert.equal((await a.send(envelopeBytes(alice.address, bob.address))).status, 200)
  assert.match(String(errors[0]), /full/)
})

test('a source that fails is an error of ours to the one who asked', async (t) => {
  const { server, node, errors } = await mailboxNode(t)
  node.pending = () => ({
    poll: async () => {
      throw new Error('disk /secret is full')
    },
    next: async () => undefined,
    close: () => {},
  })
  const a = inSession(server.port, await session(server.port, alice.record))
  const answer = await a.get()
  assert.deepEqual([answer.status, answer.body.toString()], [500, 'internal error'])
  assert.match(String(errors[0]), /full/)
})

test('close answers who waits, settles what is out and frees the port', async (t) => {
  const { server, node } = await mailboxNode(t)
  const token = (
    await ask(server.port, 'POST', '/register', {
      headers: { 'Parley-Version': '1' },
      body: encodeAgentRecord(alice.record),
    })
  ).body.toString()
  const waiting = ask(server.port, 'GET', '/get_envelope', { headers: { 'Session-Id': token, 'Parley-Wait': '20' } })
  const b = inSession(server.port, await session(server.port, bob.record))
  node.deliver(bob.address, envelopeBytes(alice.address, bob.address))
  await b.get()
  await server.close()
  assert.equal((await waiting).body.length, 0)
  assert.deepEqual(node.outcomes, [{ type: 'interrupted' }])
  assert.equal(node.closedSources, 2)
  await assert.rejects(ask(server.port, 'GET', '/ssl_signature'))
})
