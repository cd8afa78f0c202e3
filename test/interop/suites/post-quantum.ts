import { deepEqual } from 'node:assert/strict'
import type { Party } from '../conversation.ts'
import type { Peer } from '../peers.ts'
import { inParallel } from '../report.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** What each side asks for when connecting, and the owner of a contact address when it accepts. */
interface Asked {
  readonly mode: 'invitation' | 'contact'
  readonly link: 'full' | 'short'
  readonly initiator: boolean
  readonly joiner: boolean
  readonly accepter: boolean
}

const ON_OFF = [true, false] as const

const ALL: readonly Asked[] = (['full', 'short'] as const).flatMap((link) =>
  ON_OFF.flatMap((initiator) =>
    ON_OFF.flatMap((joiner) => [
      { mode: 'invitation', link, initiator, joiner, accepter: initiator } as const,
      ...ON_OFF.map((accepter) => ({ mode: 'contact', link, initiator, joiner, accepter }) as const),
    ]),
  ),
)

/** What both sides ask for when they send, after what they asked for when connecting: on later, off again. */
const SENDING: readonly (readonly [boolean, boolean])[] = [
  [true, false],
  [true, true],
  [false, true],
  [true, true],
  [false, false],
]

/**
 * Every combination of what the parties ask for: two originals show what has to come of it, at every event and in
 * every message; an original and our agent, both ways, and two of ours must show the same.
 */
export async function postQuantumSuite(setting: Setting): Promise<void> {
  const prefix = 'post-quantum encryption'
  await setting.report.group(prefix, () => run(setting, prefix))
}

async function run(setting: Setting, prefix: string): Promise<void> {
  const { report } = setting
  const router = await startRouter(setting, 'parley', 'pq-router')
  const start = (product: 'original' | 'parley', name: string) => startPeer(setting, product, name, [router.address])
  const originals = [await start('original', 'pq-original1'), await start('original', 'pq-original2')] as const
  const ours = [await start('parley', 'pq-parley1'), await start('parley', 'pq-parley2')] as const
  const pairs = [
    ['original initiates', originals[0], ours[0]],
    ['parley initiates', ours[0], originals[0]],
    ['both parley', ours[0], ours[1]],
  ] as const
  await inParallel(3, ALL, async (asked) => {
    const expected = await observe(originals[0], originals[1], asked)
    for (const [label, initiator, joiner] of pairs) {
      await report.check(`${prefix}: ${labelOf(asked)}, ${label}`, async () => {
        deepEqual(await observe(initiator, joiner, asked), expected)
      })
    }
  })
  report.note(`${prefix}: ${ALL.length} combinations of what is asked for, each as two originals do`)
  for (const peer of [...originals, ...ours]) await peer.stop()
  await router.stop()
}

/** Connects and sends; everything that either side says about encryption on the way. */
async function observe(a: Peer, b: Peer, asked: Asked): Promise<unknown[]> {
  const seen: unknown[] = []
  const [initiator, joiner] = await (asked.mode === 'invitation' ? join(a, b, asked) : request(a, b, asked, seen))
  const { connId } = initiator
  const { confId, pq } = await initiator.peer.event('CONF', { connId })
  seen.push(['CONF', pq])
  await initiator.peer.allowConnection({ connId, confId: String(confId), info: '' })
  seen.push(['INFO', (await joiner.peer.event('INFO', { connId: joiner.connId })).pq])
  for (const party of [initiator, joiner]) {
    seen.push(['CON', (await party.peer.event('CON', { connId: party.connId })).pq])
  }
  for (const [first, second] of [[asked.initiator, asked.joiner] as const, ...SENDING]) {
    seen.push([first, await sendOne(initiator, joiner, first)], [second, await sendOne(joiner, initiator, second)])
  }
  return seen
}

async function join(a: Peer, b: Peer, asked: Asked): Promise<[Party, Party]> {
  const created = await a.createConnection({ mode: 'invitation', pq: asked.initiator })
  const link = asked.link === 'full' ? created.link : (created.shortLink ?? '')
  const connId = await b.joinConnection({ link, info: '', pq: asked.joiner })
  return [
    { peer: a, connId: created.connId },
    { peer: b, connId },
  ]
}

async function request(a: Peer, b: Peer, asked: Asked, seen: unknown[]): Promise<[Party, Party]> {
  const created = await a.createConnection({ mode: 'contact', pq: asked.initiator })
  const link = asked.link === 'full' ? created.link : (created.shortLink ?? '')
  const requested = await b.joinConnection({ link, info: '', pq: asked.joiner })
  const { invId, pq } = await a.event('REQ', { connId: created.connId })
  seen.push(['REQ', pq])
  const connId = await a.acceptContact({ invId: String(invId), info: '', pq: asked.accepter })
  return [
    { peer: b, connId: requested },
    { peer: a, connId },
  ]
}

async function sendOne(from: Party, to: Party, pq: boolean): Promise<boolean> {
  await from.peer.sendMessage(from.connId, 'message', pq)
  const message = await to.peer.message(to.connId)
  await to.peer.ackMessage(to.connId, message.msgId)
  return message.pq
}

function labelOf({ mode, link, initiator, joiner, accepter }: Asked): string {
  const text = (on: boolean) => (on ? 'on' : 'off')
  const accepts = mode === 'contact' ? `, accepted ${text(accepter)}` : ''
  return `${mode} by ${link} link, made ${text(initiator)}, joined ${text(joiner)}${accepts}`
}
