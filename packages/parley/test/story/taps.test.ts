import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { character } from '../../src/story/cast.ts'
import { formName, needlesOf } from '../../src/story/needles.ts'
import { lineName, MARKS, PLAIN, sightOf } from '../../src/story/observers.ts'
import { Search } from '../../src/story/search.ts'
import { Tap } from '../../src/story/tap.ts'
import { Wire } from '../../src/story/wire.ts'

const secret = Buffer.from('the secret line')
const needle = { name: 'secret', forms: [secret] }

test('what is looked for is found in any place, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), fc.array(fc.nat(400), { maxLength: 12 }), (before, behind, cuts) => {
      const tap = new Tap(new Search([needle]))
      const all = Buffer.concat([before, secret, behind])
      const places = [0, ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length]
      for (const [i, start] of places.slice(0, -1).entries()) {
        tap.see({ connection: 1, direction: 'in' }, all.subarray(start, places[i + 1]))
      }
      assert.ok(tap.saw('secret'))
      assert.equal(tap.bytes, all.length)
    }),
  )
})

test('nothing is found that is not there, nor what is spread over two connections or directions', () => {
  const tap = new Tap(new Search([needle]))
  const [first, second] = [secret.subarray(0, 8), secret.subarray(8)]
  tap.see({ connection: 1, direction: 'in' }, first)
  tap.see({ connection: 2, direction: 'in' }, second)
  tap.see({ connection: 1, direction: 'out' }, second)
  assert.equal(tap.saw('secret'), false)
  assert.equal(tap.connections, 2)
})

test('a part of a long text is enough, what is too short is not looked for', () => {
  const long = Buffer.from(Array.from({ length: 200 }, (_, i) => i))
  const found = new Set<string>()
  new Search([
    { name: 'long', forms: [long] },
    { name: 'short', forms: [Buffer.from('short')] },
  ]).scan(Buffer.concat([Buffer.from('short'), long.subarray(40, 100)]), found)
  assert.deepEqual([...found], ['long'])
})

for (const ledger of ['ethereum', 'fetchai', 'cosmos']) {
  test(`an address of ${ledger} is recognised in each of its forms`, () => {
    const agent = character('Alice', ledger)
    const search = new Search([...needlesOf(agent), ...needlesOf(character('Bob', ledger))])
    const found = new Set<string>()
    search.scan(Buffer.from(`sender ${agent.address.toLowerCase()}`), found)
    assert.deepEqual([...found], [formName(agent, 'text')])
    search.scan(Buffer.from(agent.publicKey.replace(/^0x/, ''), 'hex'), found)
    assert.deepEqual([...found], [formName(agent, 'text'), formName(agent, 'public key')])
  })
}

test('what an observer saw is told: texts, addresses, and who asked for whom', () => {
  const [alice, bob] = [character('Alice', 'ethereum'), character('Bob', 'fetchai')]
  const lines = ['the first private line', 'the second private line']
  const needles = lines.map((line, i) => ({ name: lineName(i), forms: [Buffer.from(line)] }))
  const plain = { name: PLAIN, forms: [Buffer.from('the plain message')] }
  const search = new Search([...needles, plain, ...needlesOf(alice), ...needlesOf(bob), ...MARKS])
  const seen = { lines: lines.length, alice, bob, aliceNode: 'node of Alice' }
  const tap = new Tap(search)
  const sight = () => sightOf({ name: 'peer', place: 'peer', tap }, seen)
  const pass = (partner: string, said: string) =>
    tap.see({ connection: partner.length, partner, direction: 'in' }, Buffer.from(`${said} `))
  const { name, bytes, ...nothing } = sight()
  assert.deepEqual(nothing, { readable: 0, plain: false, alice: [], bob: [], together: false, isTapped: false })
  pass('somebody', '/ipfs/id/1.0.0')
  pass('somebody', bob.address)
  assert.deepEqual([sight().isTapped, sight().bob, sight().together], [true, ['text'], false])
  pass('node of Alice', lines[1] ?? '')
  assert.equal(sight().readable, 1)
  pass('node of Alice', bob.address)
  assert.deepEqual([sight().together, sight().alice], [true, []])
  pass('another one', `the plain message of ${alice.address}`)
  assert.deepEqual([sight().plain, sight().alice], [true, ['text']])
})

test('a wire carries both ways, also what comes before it is known where it leads, and shows it', async () => {
  const tap = new Tap(new Search([needle, { name: 'answer', forms: [Buffer.from('the answer')] }]))
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    const said = await buffer(socket)
    socket.end(`the answer to ${said.length}`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await using wire = await Wire.open(tap)
  const client = connect({ host: '127.0.0.1', port: wire.port, allowHalfOpen: true })
  client.end(secret)
  wire.leadTo(typeof address === 'object' ? address?.port : undefined)
  assert.equal((await buffer(client)).toString(), `the answer to ${secret.length}`)
  assert.deepEqual([tap.saw('secret'), tap.saw('answer'), tap.connections], [true, true, 1])
  server.close()
})
