import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Peer } from './peers.ts'

/** One side of a connection. */
export interface Party {
  readonly peer: Peer
  readonly connId: string
}

/** An established connection between two agents. */
export interface Conversation {
  readonly initiator: Party
  readonly joiner: Party
  /** True when post-quantum encryption is on. */
  readonly pq: boolean
}

/** How a connection is made. */
export interface ConnectionWay {
  readonly mode: 'invitation' | 'contact'
  readonly link: 'full' | 'short'
  /** What both sides ask for. */
  readonly pq: boolean
}

/** Connects two agents and checks what each says on the way. */
export async function connectPeers(initiator: Peer, joiner: Peer, way: ConnectionWay): Promise<Conversation> {
  const { connId, link, shortLink } = await initiator.createConnection({ mode: way.mode, pq: way.pq })
  const used = way.link === 'full' ? link : shortLink
  ok(used, 'no short link')
  if (way.mode === 'contact') return requestContact(initiator, connId, joiner, used, way.pq)
  const joined = await joiner.joinConnection({ link: used, info: infoOf(joiner), pq: way.pq })
  return confirm({ peer: initiator, connId }, { peer: joiner, connId: joined }, way.pq)
}

/** Connects through a contact address that is already there. */
export async function requestContact(
  owner: Peer,
  address: string,
  requester: Peer,
  link: string,
  pq: boolean,
): Promise<Conversation> {
  const requested = await requester.joinConnection({ link, info: infoOf(requester), pq })
  const request = await owner.event('REQ', { connId: address })
  equal(request.info, infoOf(requester))
  const accepted = await owner.acceptContact({ invId: String(request.invId), info: infoOf(owner), pq })
  const { initiator, joiner } = await confirm(
    { peer: requester, connId: requested },
    { peer: owner, connId: accepted },
    pq,
  )
  return { initiator: joiner, joiner: initiator, pq }
}

async function confirm(initiator: Party, joiner: Party, pq: boolean): Promise<Conversation> {
  const confirmation = await initiator.peer.event('CONF', { connId: initiator.connId })
  equal(confirmation.info, infoOf(joiner.peer))
  await initiator.peer.allowConnection({
    connId: initiator.connId,
    confId: String(confirmation.confId),
    info: infoOf(initiator.peer),
  })
  equal((await joiner.peer.event('INFO', { connId: joiner.connId })).info, infoOf(initiator.peer))
  for (const { peer, connId } of [initiator, joiner]) {
    equal((await peer.event('CON', { connId })).pq, pq, `post-quantum encryption at ${peer.name}`)
  }
  return { initiator, joiner, pq }
}

/**
 * Both sides send `count` messages at the same time; each is received in order, acknowledged, and its receipt too.
 * @param withReceipts false for agents before version 4, which have none
 */
export async function exchange(
  conversation: Conversation,
  count: number,
  label: string,
  withReceipts = true,
): Promise<void> {
  const { initiator, joiner, pq } = conversation
  const oneWay = async (from: Party, to: Party, text: string) => {
    const [sent, received] = await Promise.all([
      send(from, count, text, pq),
      withReceipts ? receipts(from, count) : undefined,
      receive(to, count, text, pq),
    ])
    if (received) deepEqual(received, sent, `receipts at ${from.peer.name}`)
  }
  await Promise.all([
    oneWay(initiator, joiner, `${label} from the initiator`),
    oneWay(joiner, initiator, `${label} from the joiner`),
  ])
}

/** Sends messages and waits until the router has them; their ids. */
export async function send({ peer, connId }: Party, count: number, label: string, pq: boolean): Promise<number[]> {
  const ids: number[] = []
  for (let i = 0; i < count; i++) ids.push(await peer.sendMessage(connId, textOf(label, i), pq))
  for (const msgId of ids) await peer.event('SENT', { connId, msgId })
  return ids
}

/** Receives what {@link send} sent, in order and unharmed, and acknowledges it with receipts. */
export async function receive({ peer, connId }: Party, count: number, label: string, pq: boolean): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = await peer.message(connId)
    const { msgId, ...seen } = message
    deepEqual(seen, { integrity: 'ok', text: textOf(label, i), pq })
    await peer.ackMessage(connId, msgId, true)
  }
}

/**
 * Waits for receipts and acknowledges them; the ids of the messages they are for. It has to run while messages are
 * received: a receipt that is not acknowledged holds up what follows it.
 */
export async function receipts({ peer, connId }: Party, count: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.length < count) {
    const event = await peer.receipt(connId)
    await peer.ackMessage(connId, event.msgId)
    for (const { msgId, status } of event.receipts) {
      equal(status, 'ok')
      ids.push(msgId)
    }
  }
  return ids
}

function textOf(label: string, index: number): string {
  return `${label}, message ${index + 1}`
}

function infoOf(peer: Peer): string {
  return `this is ${peer.name}`
}
