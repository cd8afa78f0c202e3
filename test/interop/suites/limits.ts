import { equal, match, ok, rejects } from 'node:assert/strict'
import { connectPeers, exchange, type Party } from '../conversation.ts'
import type { CommandError, JsonObject } from '../json-lines.ts'
import type { Peer } from '../peers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Longest message with post-quantum encryption and without: `spec/agent.md §3.4`. */
const LONGEST = { on: 13_573, off: 15_795 }

const INVITATION = { mode: 'invitation', link: 'short', pq: true } as const

/** Sizes, links that are used up, data of links, what the router tells of a queue, routers of both kinds at once. */
export async function limitsSuite(setting: Setting): Promise<void> {
  const prefix = 'limits and links'
  await setting.report.group(prefix, () => run(setting, prefix))
}

async function run(setting: Setting, prefix: string): Promise<void> {
  const { report } = setting
  const router = await startRouter(setting, 'parley', 'limits-router')
  const originalRouter = await startRouter(setting, 'original', 'limits-original-router')
  const original = await startPeer(setting, 'original', 'limits-original', [originalRouter.address])
  const parley = await startPeer(setting, 'parley', 'limits-parley', [router.address])
  const third = await startPeer(setting, 'original', 'limits-third', [router.address])
  for (const [a, b] of [
    [original, parley],
    [parley, original],
  ] as const) {
    const label = `${prefix}: ${a.product} to ${b.product}`
    await report.check(`${label}, each on its own kind of router`, async () => {
      for (const mode of ['invitation', 'contact'] as const) {
        await exchange(await connectPeers(a, b, { ...INVITATION, mode }), 20, 'two routers')
      }
    })
    await report.check(`${label}, messages of every size`, () => sizes(a, b))
    await report.check(`${label}, an invitation is used up`, async () => {
      for (const link of ['link', 'shortLink'] as const) {
        const invitation = await a.createConnection({ mode: 'invitation', pq: true })
        await b.joinConnection({ link: invitation[link] ?? '', info: '', pq: true })
        await rejects(third.joinConnection({ link: invitation[link] ?? '', info: '', pq: true }), isAuth)
      }
    })
    await report.check(`${label}, an address is deleted`, async () => {
      const address = await a.createConnection({ mode: 'contact', pq: true })
      await a.deleteConnection(address.connId)
      await rejects(b.joinConnection({ link: address.link, info: '', pq: true }), isAuth)
      await rejects(b.joinConnection({ link: address.shortLink ?? '', info: '', pq: true }), isAuth)
    })
  }
  await report.check(`${prefix}: both routers tell the same of a queue`, async () => {
    const other = await startPeer(setting, 'original', 'limits-other', [originalRouter.address])
    equal(await queueInfo(third, parley), await queueInfo(other, parley))
    await other.stop()
  })
  await report.check(`${prefix}: our link is read by the original`, async () => {
    const { link, shortLink = '' } = await parley.createConnection({ mode: 'contact', pq: true })
    const read = await original.program.call('getShortLink', { link: shortLink })
    match(String(read.link), /^simplex:\/contact#\//)
    ok(link.startsWith('simplex:/contact#/'))
  })
  for (const peer of [original, parley, third]) await peer.stop()
  for (const each of [router, originalRouter]) await each.stop()
}

async function sizes(a: Peer, b: Peer): Promise<void> {
  for (const [pq, longest] of [
    [true, LONGEST.on],
    [false, LONGEST.off],
  ] as const) {
    const { initiator, joiner } = await connectPeers(a, b, { ...INVITATION, pq })
    for (const length of [0, 1, longest]) {
      const body = Buffer.alloc(length, 0xe9)
      await sendBytes(initiator, body, pq)
      const event = await joiner.peer.event('MSG', { connId: joiner.connId })
      await joiner.peer.ackMessage(joiner.connId, event.msgId as number)
      equal(Buffer.from(String(event.body64 ?? event.body), 'base64').compare(body), 0)
    }
    await rejects(sendBytes(initiator, Buffer.alloc(longest + 1), pq), (error: CommandError) =>
      JSON.stringify(error.error).includes('LARGE'),
    )
  }
}

function sendBytes({ peer, connId }: Party, body: Buffer, pq: boolean): Promise<JsonObject> {
  const field = peer.product === 'original' ? { body64: body.toString('base64url') } : { body: body.toString('base64') }
  return peer.program.call('sendMessage', { connId, ...field, pq })
}

/** What the original agent is told of its queue with one message in it, without what differs each time. */
async function queueInfo(asks: Peer, sends: Peer): Promise<string> {
  const { initiator, joiner } = await connectPeers(asks, sends, INVITATION)
  await exchange({ initiator, joiner, pq: true }, 1, 'before')
  await sends.sendMessage(joiner.connId, 'waits', true)
  const message = await asks.message(initiator.connId)
  const { info } = await asks.program.call('queueInfo', { connId: initiator.connId })
  await asks.ackMessage(initiator.connId, message.msgId)
  const at = String(info).indexOf('QueueInfo {qiSnd')
  ok(at > 0)
  return String(info)
    .slice(at)
    .replaceAll(/"[^"]*"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+ UTC/g, '…')
}

function isAuth(error: CommandError): boolean {
  return JSON.stringify(error.error).includes('AUTH')
}
