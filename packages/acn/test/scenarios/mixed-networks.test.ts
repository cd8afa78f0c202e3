import { test } from 'node:test'
import { startWithAgent, TestAgent } from '../node/network.ts'
import { eachToEach, goDelegate, PATIENCE, type Party, pingAllAtOnce, pythonDelegate } from './parties.ts'

const timeout = PATIENCE
const mailbox = { host: '127.0.0.1', port: 0 }

test('a tree of four peers, three relay clients, three delegates: all 90 pairs ping at once', {
  timeout,
}, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const third = await startWithAgent(t, [first.node])
  const fourth = await startWithAgent(t, [second.node])
  const parties: Party[] = [first, second, third, fourth].map(({ agent }) => agent)
  for (const { node } of [third, third, fourth])
    parties.push((await startWithAgent(t, [node], { relayed: true })).agent)
  for (const { node } of [first, second, fourth]) parties.push(await goDelegate(t, node))
  await pingAllAtOnce(parties)
  await eachToEach(parties)
})

test('two relays, two nodes with delegates and mailboxes, two clients of each kind: all 90 pairs', {
  timeout,
}, async (t) => {
  const main = await startWithAgent(t, [])
  const second = await startWithAgent(t, [main.node])
  const serving = [
    await startWithAgent(t, [main.node], { mailbox }),
    await startWithAgent(t, [second.node], { mailbox }),
  ]
  const parties: Party[] = [main, second, ...serving].map(({ agent }) => agent)
  for (const { node } of [main, second]) parties.push((await startWithAgent(t, [node], { relayed: true })).agent)
  for (const { node } of serving) parties.push(await pythonDelegate(t, node))
  for (const { node } of serving) parties.push(await TestAgent.mailbox(t, node))
  await eachToEach(parties)
})

test('mailboxes of two nodes, and the agents of both nodes', { timeout }, async (t) => {
  const first = await startWithAgent(t, [], { mailbox })
  const second = await startWithAgent(t, [first.node], { mailbox })
  const mailboxes = [await TestAgent.mailbox(t, first.node), await TestAgent.mailbox(t, second.node)]
  await eachToEach([first.agent, second.agent, ...mailboxes])
})
