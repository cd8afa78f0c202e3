import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, connect, deliver, text, World } from './fixture.ts'

const AUTH = { type: 'SMP', error: { type: 'AUTH' } }

function isAuth(error: unknown): boolean {
  const { errorType } = error as { errorType: { type: string; error: { type: string } } }
  assert.equal(errorType.type, AUTH.type)
  assert.equal(errorType.error.type, AUTH.error.type)
  return true
}

describe('short links', () => {
  it('lead to an invitation, once', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const c = await world.agent('c', router.address)
    const { connId: connA, shortLink } = await a.api.createConnection({
      mode: 'invitation',
      userData: bytes('who I am'),
    })
    assert.ok(shortLink)
    assert.equal(await a.api.getShortLink(connA), shortLink)
    assert.equal(text((await b.api.readShortLink(shortLink)).userData), 'who I am')
    await assert.rejects(c.api.readShortLink(shortLink), isAuth)
    // The agent that opened the link can join, with the key that it was opened with.
    const { connId: connB } = await b.api.joinConnection({ link: shortLink, info: bytes('B') })
    const conf = await a.expect('CONF', { connId: connA })
    await a.api.allowConnection(connA, conf.confId, bytes('A'))
    await Promise.all([a.expect('CON'), b.expect('CON')])
    await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello')
    await assert.rejects(b.api.readShortLink(shortLink), isAuth)
  })

  it('lead to a contact address, with data that the owner changes and deletes', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const b = await world.agent('b', router.address)
    const { connId, shortLink } = await owner.api.createConnection({ mode: 'contact', userData: bytes('first') })
    assert.ok(shortLink)
    assert.equal(text((await b.api.readShortLink(shortLink)).userData), 'first')
    const large = bytes('x'.repeat(13_000))
    assert.equal(await owner.api.setShortLinkData(connId, large), shortLink)
    assert.deepEqual(Buffer.from((await b.api.readShortLink(shortLink)).userData), Buffer.from(large))
    await assert.rejects(owner.api.setShortLinkData(connId, new Uint8Array(14_000)), /LARGE/)
    await b.api.joinConnection({ link: shortLink, info: bytes('B') })
    assert.equal(text((await owner.expect('REQ', { connId })).info), 'B')
    await owner.api.deleteShortLink(connId)
    assert.equal(await owner.api.getShortLink(connId), undefined)
    await assert.rejects(b.api.readShortLink(shortLink), isAuth)
  })

  it('can be given to an address that had none', async () => {
    await using world = new World()
    const router = await world.router()
    const config = { smpVersions: { min: 6, max: 14 } }
    const owner = await world.agent('owner', router.address, { config })
    const { connId, link, shortLink } = await owner.api.createConnection({ mode: 'contact' })
    assert.equal(shortLink, undefined)
    await owner.close()
    const updated = await world.agent('owner', router.address)
    await updated.api.subscribeConnections()
    const made = await updated.api.setShortLinkData(connId, bytes('now short'))
    const b = await world.agent('b', router.address)
    assert.equal(text((await b.api.readShortLink(made)).userData), 'now short')
    await b.api.joinConnection({ link: made, info: bytes('by short link') })
    await updated.expect('REQ')
    await b.api.joinConnection({ link, info: bytes('by full link') })
    await updated.expect('REQ')
  })

  it('connect with and without PQ', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    for (const pq of [true, false]) {
      const { pqA, pqB } = await connect(a, b, { pqA: pq, pqB: pq, short: true })
      assert.deepEqual([pqA, pqB], [pq, pq])
    }
  })

  it('are refused when they are none', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const { link } = await a.api.createConnection({ mode: 'invitation' })
    await assert.rejects(a.api.readShortLink(link), /SYNTAX/)
    for (const wrong of ['', 'https://example.com', 'simplex:/i#x', link.slice(0, -20)]) {
      await assert.rejects(a.api.joinConnection({ link: wrong, info: bytes('') }), /SYNTAX/)
    }
  })
})
