import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { delegateNode } from '../../packages/acn/test/delegate/delegate-fixture.ts'
import { peerKey } from '../../packages/acn/test/entrance/agents.ts'
import { mailboxNode } from '../../packages/acn/test/mailbox/mailbox-fixture.ts'
import { installOurs, OPEN_AEA, PythonAgents, without } from './python-agents.ts'
import { ERRORS, RefusingNode, TELLING_ALL } from './refusing.ts'

// What docs/acn-statuses.md says of the programs of others.
describe('the Python connections of open-aea: error statuses', { skip: without(OPEN_AEA), timeout: 300_000 }, () => {
  const { publicKeyHex: publicKey } = peerKey

  it('a delegate survives each of them and gets all that follows', async (t) => {
    const { server } = await delegateNode(t, { handler: new RefusingNode(), toldErrors: TELLING_ALL })
    const agents = await PythonAgents.start(t, OPEN_AEA)
    const names = ERRORS.map((code) => `told ${code}`)
    for (const name of names) await agents.start(name, { kind: 'delegate', node: { port: server.port, publicKey } })
    for (const [i, name] of names.entries()) await sendAndGoOn(agents, name, `refuse ${ERRORS[i]}`)
    for (const name of names) await hasGoneOn(agents, name)
  })

  it('a mailbox agent that was told of one is gone for good', async (t) => {
    const { server } = await mailboxNode(t, { handler: new RefusingNode(), toldErrors: TELLING_ALL })
    const agents = await PythonAgents.start(t, OPEN_AEA)
    for (const code of ERRORS) {
      const name = `told ${code}`
      await agents.start(name, { kind: 'mailbox', node: { port: server.port, publicKey } })
      await agents.send(name, name, `refuse ${code}`)
      await isGone(agents, name)
    }
  })

  it('a mailbox agent that is not told goes on', async (t) => {
    const { server } = await mailboxNode(t, { handler: new RefusingNode() })
    const agents = await PythonAgents.start(t, OPEN_AEA)
    const names = ERRORS.map((code) => `not told ${code}`)
    for (const name of names) await agents.start(name, { kind: 'mailbox', node: { port: server.port, publicKey } })
    for (const [i, name] of names.entries()) await sendAndGoOn(agents, name, `refuse ${ERRORS[i]}`)
    for (const name of names) await hasGoneOn(agents, name)
  })

  it('an agent with a node of its own that was told of one is gone for good', async (t) => {
    const agents = await PythonAgents.start(t, OPEN_AEA)
    await agents.start('told', { kind: 'direct', program: await refusingProgram(t) })
    await agents.send('told', 'told', 'refuse 20')
    await isGone(agents, 'told')
  })

  it('an agent with a node of its own is not told, and goes on', async (t) => {
    const agents = await PythonAgents.start(t, OPEN_AEA)
    await agents.start('direct', { kind: 'direct', program: await installOurs(t) })
    await agents.send('direct', 'no address', 'refused for its address')
    await agents.send('direct', 'direct', 'refused for its sender', 'fetch1another')
    await sendAndGoOn(agents, 'direct', 'last but one')
    assert.equal(await agents.receive('direct'), 'last but one')
    await hasGoneOn(agents, 'direct')
  })
})

const FOLLOWING = ['one', 'two', 'three']

/** One envelope, perhaps refused, and three to itself. */
async function sendAndGoOn(agents: PythonAgents, name: string, text: string): Promise<void> {
  for (const each of [text, ...FOLLOWING]) await agents.send(name, name, each)
}

async function hasGoneOn(agents: PythonAgents, name: string): Promise<void> {
  for (const text of FOLLOWING) assert.equal(await agents.receive(name, 40), text, name)
  assert.equal(await agents.state(name), 'connected')
}

/** Its connection gives up within a minute: it tries a few times before. */
async function isGone(agents: PythonAgents, name: string): Promise<void> {
  for (const end = Date.now() + 60_000; (await agents.state(name)) !== 'disconnected'; ) {
    assert.ok(Date.now() < end, `${name} is ${await agents.state(name)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** A build directory with `refusing-node.ts` as the node. */
async function refusingProgram(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-refusing-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const program = join(folder, 'libp2p_node')
  const source = fileURLToPath(new URL('refusing-node.ts', import.meta.url))
  // The condition is resolved from the folder of the source.
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' --conditions=parley-source '${source}' "$@"\n`)
  await chmod(program, 0o755)
  return folder
}
