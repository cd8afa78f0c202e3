import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { peerSettings, startNode } from '../../packages/acn/test/node/network.ts'
import { GO_NODE, GoNode, WITHOUT_GO_NODE } from './go-node.ts'
import { latencies } from './latencies.ts'
import { AEA, installOurs, OPEN_AEA, PythonAgents, type StartedAgent, without } from './python-agents.ts'

const GO = dirname(GO_NODE)

for (const [name, originals] of Object.entries({ 'open-aea': OPEN_AEA, aea: AEA })) {
  const skip = without(originals) || WITHOUT_GO_NODE
  describe(`the Python connections of ${name}: everyone writes to everyone`, { skip, timeout: 600_000 }, () => {
    it('over nodes of ours', async (t) => {
      const agents = await PythonAgents.start(t, originals)
      const ours = await installOurs(t)
      await everyoneWrites(t, agents, await twoPeers(agents, ours, ours))
    })

    it('over a node of ours that joined the Go node', async (t) => {
      const agents = await PythonAgents.start(t, originals)
      await everyoneWrites(t, agents, await twoPeers(agents, GO, await installOurs(t)))
    })

    it('over the Go node that joined a node of ours', async (t) => {
      const agents = await PythonAgents.start(t, originals)
      await everyoneWrites(t, agents, await twoPeers(agents, await installOurs(t), GO))
    })

    it('over nodes of both that joined entry peers without agents', async (t) => {
      const agents = await PythonAgents.start(t, originals)
      const ours = await installOurs(t)
      const entry = await startNode(t, peerSettings([], { mailbox: { host: '127.0.0.1', port: 0 } }))
      const goEntry = await GoNode.start({ privateKey: randomBytes(32), entryPeers: [entry.multiaddr ?? ''] })
      t.after(() => goEntry.stop())
      const entryPeers = [entry.multiaddr ?? '']
      await agents.start('direct of ours', { kind: 'direct', program: ours, entryPeers: [goEntry.multiaddr] })
      await agents.start('direct of Go', { kind: 'direct', ledger: 'ethereum', program: GO, entryPeers })
      await agents.start('relayed by Go', { kind: 'relay', program: ours, entryPeers: [goEntry.multiaddr] })
      await agents.start('relayed by ours', { kind: 'relay', ledger: 'cosmos', program: GO, entryPeers })
      const goNode = { port: goEntry.ports.delegate, publicKey: goEntry.key.publicKeyHex }
      await agents.start('delegate of ours', { kind: 'delegate', ledger: 'ethereum', node: at(entry, 'delegatePort') })
      await agents.start('delegate of Go', { kind: 'delegate', ledger: 'cosmos', node: goNode })
      await agents.start('mailbox of ours', { kind: 'mailbox', node: at(entry, 'mailboxPort') })
      await everyoneWrites(t, agents, [
        'direct of ours',
        'direct of Go',
        'relayed by Go',
        'relayed by ours',
        'delegate of ours',
        'delegate of Go',
        'mailbox of ours',
      ])
    })
  })
}

/**
 * Two peers with an agent each, the second joined to the first. At each a relay client whose program is the other's, two
 * delegates and a mailbox. Gives the names of all ten.
 */
async function twoPeers(agents: PythonAgents, firstProgram: string, secondProgram: string): Promise<string[]> {
  const first = await agents.start('direct 1', { kind: 'direct', ledger: 'fetchai', program: firstProgram })
  const second = await agents.start('direct 2', {
    kind: 'direct',
    ledger: 'ethereum',
    program: secondProgram,
    entryPeers: first.multiaddrs,
  })
  await agents.start('relay 1', {
    kind: 'relay',
    ledger: 'cosmos',
    program: secondProgram,
    entryPeers: first.multiaddrs,
  })
  await agents.start('relay 2', {
    kind: 'relay',
    ledger: 'fetchai',
    program: firstProgram,
    entryPeers: second.multiaddrs,
  })
  const names = ['direct 1', 'direct 2', 'relay 1', 'relay 2']
  const node = ({ ports, publicKey }: StartedAgent, service: 'delegate' | 'mailbox') => ({
    port: ports[service],
    publicKey,
  })
  for (const [kind, peer, ledger] of [
    ['delegate', 1, 'ethereum'],
    ['delegate', 1, 'fetchai'],
    ['mailbox', 1, 'cosmos'],
    ['delegate', 2, 'cosmos'],
    ['delegate', 2, 'fetchai'],
    ['mailbox', 2, 'ethereum'],
  ] as const) {
    const name = `${kind} ${peer} ${ledger}`
    await agents.start(name, { kind, ledger, node: node(peer === 1 ? first : second, kind) })
    names.push(name)
  }
  return names
}

function at(node: AcnNode, service: 'delegatePort' | 'mailboxPort'): { port: number; publicKey: string } {
  return { port: node[service] ?? 0, publicKey: node.key.publicKeyHex }
}

/**
 * One after the other, then those that need not be polled for once more, as routes are known by now; then all at once, five
 * envelopes of each pair. Nothing is lost, doubled or out of order.
 */
async function everyoneWrites(t: TestContext, agents: PythonAgents, names: readonly string[]): Promise<void> {
  await allPairs(t, agents, names, 'first')
  await allPairs(t, agents, withoutMailboxes(names), 'again')
  const each = 5
  const expected = names.length * (names.length - 1) * each
  const { delivered, seconds, faults } = await agents.burst(names, each)
  assert.deepEqual(faults, [])
  assert.equal(delivered, expected)
  t.diagnostic(`at once: ${delivered} of ${expected} in ${seconds.toFixed(1)} s`)
}

async function allPairs(t: TestContext, agents: PythonAgents, names: readonly string[], round: string): Promise<void> {
  const passages = await agents.exchange(names)
  const delivered = passages.filter(({ ms }) => ms !== undefined)
  t.diagnostic(`${round}: ${delivered.length} of ${passages.length} pairs; ${latencies(delivered)}`)
  assert.deepEqual(
    passages.filter((passage) => !delivered.includes(passage)),
    [],
  )
  assert.equal(passages.length, names.length * (names.length - 1))
}

function withoutMailboxes(names: readonly string[]): string[] {
  return names.filter((name) => !name.startsWith('mailbox'))
}
