import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, World } from '../gateway/world.ts'
import { RunningParley, runParley } from './parley-process.ts'

/** An identity in a data folder of its own. */
interface Person {
  readonly address: string
  /** Options that say who it is. */
  readonly as: readonly string[]
  readonly data: string
}

async function person(world: World, name: string, ledger: string): Promise<Person> {
  const data = join(world.folder, `${name}-data`)
  const passphrase = join(world.folder, 'passphrase')
  await mkdir(data, { mode: 0o700 })
  await writeFile(passphrase, 'correct horse\n')
  const as = ['--data', data, '--passphrase-file', passphrase]
  const made = await runParley(['id', 'new', name, '--ledger', ledger, ...as])
  assert.equal(made.code, 0, made.stderr)
  return { address: JSON.parse(made.stdout).address, as, data }
}

test('a message is sent to an address in private, waits for who is away, and is traced', async (t) => {
  await using world = await World.make()
  const [routerA, routerB] = [await world.router('a'), await world.router('b')]
  const peer = await world.peer(routerA)
  const alice = await person(world, 'alice', 'ethereum')
  const bob = await person(world, 'bob', 'fetchai')
  const [atA, atB] = [routerA, routerB].map((router) => ['--entry', peer.multiaddr, '--smp', router.address])
  assert.ok(atA && atB)
  const listening = new RunningParley(t, ['listen', '--jsonl', ...bob.as, ...atB])
  const send = (text: string, ...rest: string[]) =>
    runParley(['send', bob.address, text, ...alice.as, ...atA, '--unlisted', ...rest])
  const first = await send('hello Bob', '--wait')
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, new RegExp(`^[0-9a-f]{32} delivered to ${bob.address}, in private\n$`))
  const { id, at, ...message } = JSON.parse(await listening.line())
  const protocol = 'fetchai/default:1.0.0'
  assert.deepEqual(message, { from: alice.address, text: 'hello Bob', protocol, way: 'private' })
  assert.equal(id, first.stdout.slice(0, 32))
  assert.ok(!Number.isNaN(Date.parse(at)))
  const stopped = await listening.stop()
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.match(stopped.stderr, new RegExp(`listening as ${bob.address}`))

  const second = await send('-', '--json')
  assert.equal(second.code, 2, 'nothing came on standard input')
  const away = await send('are you there?', '--json')
  assert.equal(away.code, 0, away.stderr)
  const sent = JSON.parse(away.stdout)
  assert.deepEqual([sent.way, sent.state, sent.from], ['private', 'at router', alice.address])
  const traced = await runParley(['trace', bob.address, '--data', alice.data])
  assert.equal(traced.code, 0, traced.stderr)
  assert.match(traced.stdout, new RegExp(`^${id} ${alice.address} to ${bob.address}\n  private, delivered\n`))
  assert.match(traced.stdout, new RegExp(`\n${sent.id} .*\n  private, sent\n`))
  assert.ok(!traced.stdout.includes('there?'))
  assert.equal((await runParley(['trace', '0'.repeat(32), '--data', alice.data])).code, 1)
  assert.equal((await runParley(['trace', 'bob', '--data', alice.data])).code, 2)

  const out = join(world.folder, 'out')
  const failing = await runParley(['listen', '--exec', 'exit 3', ...bob.as, ...atB])
  assert.equal(failing.code, 1)
  assert.match(failing.stderr, /the command ended with 3/)
  // What the command did not take comes again.
  const command = `{ cat; echo " $PARLEY_FROM $PARLEY_WAY $PARLEY_ID"; } > ${out}; echo done`
  const again = new RunningParley(t, ['listen', '--exec', command, ...bob.as, ...atB])
  await again.until('done')
  assert.equal(await readFile(out, 'utf8'), `are you there? ${alice.address} private ${sent.id}\n`)
  assert.equal((await again.stop()).code, 0)
})

test('a node keeps what comes for its identities; those attach to it, and what is sent goes through it', async (t) => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router)
  const bob = await person(world, 'bob', 'fetchai')
  const alice = await person(world, 'alice', 'cosmos')
  const passphrase = bob.as.at(-1)
  const lines = [
    ...['[smp]', 'on = false', `servers = ["${router.address}"]`],
    ...['[acn]', 'listen = "127.0.0.1:0"', 'delegate = "127.0.0.1:0"', `entry_peers = ["${peer.multiaddr}"]`],
    ...['[identity]', 'use = ["bob"]', `passphrase_file = "${passphrase}"`],
  ]
  await writeFile(join(bob.data, 'parley.toml'), lines.join('\n'))
  const node = new RunningParley(t, ['up', '--data', bob.data])
  await node.until('ready')

  const at = ['--entry', peer.multiaddr, '--smp', router.address]
  const talk = new RunningParley(t, ['talk', bob.address, ...alice.as, ...at])
  assert.equal(await talk.line(), `You are ${alice.address}.`)
  assert.match(await talk.line(), /^Found .*, by its own word\.$/)
  talk.child.stdin.write('hello Bob\n')
  await talk.until('✓ hello Bob')

  const listening = new RunningParley(t, ['listen', ...bob.as])
  assert.equal(await listening.line(), `${alice.address}: hello Bob`)
  await talk.until('✓✓ hello Bob')
  // Beside the one who listens.
  const answer = await runParley(['send', alice.address, 'hello Alice', '--wait', ...bob.as])
  assert.equal(answer.code, 0, answer.stderr)
  assert.match(answer.stdout, /delivered to .*, in private/)
  await talk.until(`${bob.address}: hello Alice`)
  talk.child.stdin.end()
  assert.equal((await talk.ended).code, 0)

  const status = await runParley(['status', '--data', bob.data])
  assert.match(status.stdout, new RegExp(`channel +${bob.address} with ${alice.address}: open`))
  const traced = await runParley(['trace', alice.address, '--data', bob.data, '--json'])
  const traces = traced.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    traces.map(({ from, way, state }) => [from, way, state]),
    [
      [alice.address, 'private', 'delivered'],
      [bob.address, 'private', 'delivered'],
    ],
  )
  // As after a theft.
  const renewed = await runParley(['id', 'renew-contact', 'bob', '--data', bob.data])
  assert.equal(renewed.code, 0, renewed.stderr)
  const { address, state, contactLink } = JSON.parse(renewed.stdout)
  assert.deepEqual([address, state], [bob.address, 'valid'])
  const again = await runParley(['id', 'renew-contact', bob.address, '--data', bob.data])
  assert.notEqual(JSON.parse(again.stdout).contactLink, contactLink)
  const unknown = await runParley(['id', 'renew-contact', alice.address, '--data', bob.data])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /no agent of this node has the address/)
  const strict = await runParley(['send', alice.address, 'x', '--private', 'require', ...bob.as])
  assert.equal(strict.code, 1)
  assert.match(strict.stderr, /private\.mode = "prefer"/)
  assert.equal((await listening.stop()).code, 0)
  assert.equal((await node.stop()).code, 0)
})

test('what cannot be is said in words', async () => {
  await using world = await World.make()
  const { as, data } = await person(world, 'alice', 'ethereum')
  const to = '0x52908400098527886E0F7030069857D2E4169EE7'
  const cases: readonly (readonly [code: number, said: RegExp, args: readonly string[]])[] = [
    [2, /no peer of the network is known: give --entry/, ['send', to, 'x', ...as]],
    [2, /--entry: a multiaddr with \/p2p\/ is needed/, ['send', to, 'x', ...as, '--entry', '/dns4/localhost/tcp/1']],
    [2, /not a ledger address/, ['send', 'alice', 'x', ...as]],
    [2, /not a ledger address/, ['send', to.replace('E', 'e'), 'x', ...as]],
    [2, /"prefer" or "require"/, ['send', to, 'x', ...as, '--private', 'off']],
    [1, /no identity bob/, ['listen', '--identity', 'bob', ...as]],
    [2, /--jsonl or --exec/, ['listen', '--jsonl', '--exec', 'true', ...as]],
    [1, /no store in/, ['trace', to, '--data', data]],
    [1, /no node runs on/, ['id', 'renew-contact', 'alice', '--data', data]],
    [1, /no node runs on/, ['id', 'find', to, '--data', data]],
    [2, /not a ledger address/, ['id', 'find', 'alice', '--data', data]],
    [1, /no identity in/, ['listen', '--data', join(data, 'nothing')]],
  ]
  for (const [code, said, args] of cases) {
    const { stderr, ...ended } = await runParley(args)
    assert.equal(ended.code, code, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, said)
  }
})

test('an agent card goes with the contact card, is read again at each start, and is found by others', async (t) => {
  await using world = await World.make()
  const router = await world.router()
  const peer = await world.peer(router)
  const bob = await person(world, 'bob', 'fetchai')
  const [alice, other] = [await person(world, 'alice', 'ethereum'), await person(world, 'other', 'cosmos')]
  const lines = [
    ...['[smp]', 'on = false', `servers = ["${router.address}"]`],
    ...['[acn]', 'listen = "127.0.0.1:0"', `entry_peers = ["${peer.multiaddr}"]`],
    ...['[private]', 'lookup = "direct"'],
  ]
  const identity = ['[identity]', 'use = ["bob"]', `passphrase_file = "${bob.as.at(-1)}"`, 'agent_card = "card.json"']
  await writeFile(join(bob.data, 'parley.toml'), [...lines, ...identity].join('\n'))
  await writeFile(join(other.data, 'parley.toml'), lines.join('\n'))
  const find = () => runParley(['id', 'find', bob.address, '--data', other.data])
  let before = 0
  for (const name of ['Bob', 'Robert']) {
    const card = { name, skills: ['talk'], url: 'https://bob.example.org' }
    await writeFile(join(bob.data, 'card.json'), JSON.stringify(card, undefined, 2))
    // Anew each time, as what was found is believed for a while.
    const looking = new RunningParley(t, ['up', '--data', other.data])
    await looking.until('ready')
    const node = new RunningParley(t, ['up', '--data', bob.data])
    await node.until('ready')
    let found = await find()
    await until(`found ${name}`, async () => {
      if (found.code !== 0) found = await find()
      return found.code === 0
    })
    const { kind, sequence, attachment } = JSON.parse(found.stdout)
    assert.deepEqual([kind, attachment.type, attachment.content], ['ledger', 'application/json', card])
    assert.ok(sequence > before)
    before = sequence
    const nobody = await runParley(['id', 'find', alice.address, '--data', other.data])
    assert.equal(nobody.code, 1)
    assert.match(nobody.stderr, /no contact card of \S+ was found/)
    assert.equal((await node.stop()).code, 0)
    assert.equal((await looking.stop()).code, 0)
  }
})
