import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { readCard } from '../../src/channel/peer-card.ts'
import { Identity, TestNode } from './fixture.ts'

/**
 * A node in a process of its own, which kills itself at the n-th occurrence of a step.
 * Arguments: path, name of the identity, router, step or `-`, n. Commands come as lines of JSON, events go as such.
 */
const [path = '', name = '', router = '', step = '-', count = '1'] = process.argv.slice(2)

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

let left = Number(count)
const node = new TestNode(path, new Identity(name), router, {
  onStep: (done) => {
    if (done === step && --left === 0) process.kill(process.pid, 'SIGKILL')
  },
  onEvent: (event, { id }) => say({ event, id }),
  onEnvelope: (id, text) => say({ event: 'envelope', id, text }),
})
await node.start()
say({ event: 'ready', card: node.signed && Buffer.from(node.local.card()).toString('hex') })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as {
    readonly open?: string
    readonly send?: string
    readonly peer: string
    readonly id: string
  }
  if (command.open !== undefined) {
    const card = readCard(Buffer.from(readFileSync(command.open, 'utf8'), 'hex'), Date.now())
    if (card) await node.channels.open(node.address, command.peer, card)
    say({ event: 'opening' })
  }
  if (command.send !== undefined) {
    const envelope = { id: command.id, bytes: Buffer.from(command.send) }
    await node.channels.send(node.address, command.peer, envelope)
    say({ event: 'accepted', id: command.id })
  }
}
await node.close()
