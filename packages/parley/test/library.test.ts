import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Parley, ParleyError } from 'parley'
import { keyOf, World } from './gateway/world.ts'

test('the library, as programs import it: a message is traced, one that is not read stays for the next time', async () => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router)
  const at = { entry: [peer.multiaddr], smp: [router.address], lookup: 'direct' as const }
  const bob = await world.parley('bob', 'fetchai', at)
  const alice = await Parley.open({
    ...at,
    data: `${world.folder}/alice`,
    identity: { ledger: 'ethereum', privateKey: keyOf('alice') },
    receives: false,
    passphrase: 'correct horse',
  })
  await using _alice = alice
  await assert.rejects(alice.connect('fetch1nobody'), (error) => {
    return error instanceof ParleyError && error.code === 'NOT_FOUND'
  })
  const to = await alice.connect(bob.address)
  const id = await to.send('hello')
  for await (const message of bob.messages()) {
    assert.deepEqual([message.id, message.text, message.way], [id, 'hello', 'private'])
    message.done()
    break
  }
  const trace = await alice.trace(id)
  assert.deepEqual([trace?.from, trace?.to, trace?.way], [alice.address, bob.address, 'private'])
  assert.equal((await bob.trace(id))?.way, 'private')
  await bob.send(alice.address, 'for later')
  await alice.close()
  const files = ['agent.db', 'cards.db', 'contacts.db', 'acn/acn-node.db']
  for (const file of files) {
    const bytes = await readFile(`${world.folder}/alice/${file}`)
    for (const words of ['SQLite format', 'hello', alice.address])
      assert.ok(!bytes.includes(words), `${words} in ${file}`)
  }
  const later = await world.parley('alice', 'ethereum', { ...at, passphrase: 'correct horse' })
  for await (const { text, done } of later.messages()) {
    assert.equal(text, 'for later')
    done()
    break
  }
})
