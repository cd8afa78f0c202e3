import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { GO_NODE, WITHOUT_GO_NODE } from './go-node.ts'
import { type AgentOptions, installOurs, OPEN_AEA, PythonAgents, without } from './python-agents.ts'

const skip = without(OPEN_AEA) || WITHOUT_GO_NODE

describe('the Python connections of open-aea: agents and nodes that come and go', { skip, timeout: 300_000 }, () => {
  it('get what was sent while they were away, in order', async (t) => {
    const agents = await PythonAgents.start(t, OPEN_AEA)
    const program = await installOurs(t)
    const first = await agents.start('stays', { kind: 'direct', program })
    const entryPeers = first.multiaddrs
    const { ports, publicKey } = await agents.start('peer', { kind: 'direct', program, entryPeers })
    const away: Record<string, AgentOptions> = {
      'direct agent': { kind: 'direct', program, entryPeers, ledger: 'ethereum' },
      'direct agent on Go': { kind: 'direct', program: dirname(GO_NODE), entryPeers },
      delegate: { kind: 'delegate', node: { port: ports.delegate, publicKey }, ledger: 'cosmos' },
      mailbox: { kind: 'mailbox', node: { port: ports.mailbox, publicKey }, ledger: 'ethereum' },
    }
    for (const [name, options] of Object.entries(away)) {
      await t.test(name, async () => {
        await agents.start(name, options)
        await agents.send('stays', name, 'before')
        assert.equal(await agents.receive(name), 'before')
        await agents.stop(name)
        const texts = ['first', 'second', 'third']
        for (const text of texts) await agents.send('stays', name, text)
        await agents.start(name)
        let arrived = await agents.receive(name, 40)
        // The Go node may end before it has answered for what its agent has; then that is sent again.
        if (name === 'direct agent on Go' && arrived === 'before') arrived = await agents.receive(name, 40)
        assert.equal(arrived, texts[0])
        for (const text of texts.slice(1)) assert.equal(await agents.receive(name, 40), text)
        await agents.send(name, 'stays', 'I am back')
        assert.equal(await agents.receive('stays'), 'I am back')
      })
    }
  })

  it('find their node again when it has started anew', async (t) => {
    const agents = await PythonAgents.start(t, OPEN_AEA)
    const program = await installOurs(t)
    const first = await agents.start('stays', { kind: 'direct', program })
    const node = await agents.start('node', { kind: 'direct', program, entryPeers: first.multiaddrs })
    const { publicKey } = node
    await agents.start('delegate', { kind: 'delegate', node: { port: node.ports.delegate, publicKey } })
    await agents.start('mailbox', { kind: 'mailbox', node: { port: node.ports.mailbox, publicKey } })
    await agents.start('relayed', { kind: 'relay', program, entryPeers: node.multiaddrs })
    await agents.stop('node')
    await agents.start('node')
    for (const name of ['delegate', 'mailbox', 'relayed']) {
      await agents.send('stays', name, 'are you there?')
      // A delegate looks for its node when it sends: it does not notice that a connection has ended while it reads.
      await agents.send(name, 'node', `${name} is there`)
      assert.equal(await agents.receive('node', 40), `${name} is there`)
      assert.equal(await agents.receive(name, 40), 'are you there?')
      assert.equal(await agents.state(name), 'connected')
    }
  })
})
