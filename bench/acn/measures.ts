import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AcnClient, DelegateEntry, identityFromKey } from '@parley/acn/client'
import type { AgentRecord } from '@parley/acn/protocol'
import { LEDGERS } from '@parley/acn/record'
import { type NodeProcess, newRecord } from './node-process.ts'
import { NumberedFrame } from './numbered-frame.ts'
import { PlainAgent } from './plain-agent.ts'

/** Round trips before those that count. */
const WARM_UP = 20
/** How long nothing may arrive before what is missing is lost, ms. */
const QUIET = 5_000

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

/** An envelope and its echo; and an envelope and its status. */
export interface RoundTrips {
  readonly echo: Percentiles
  readonly status: Percentiles
}

/** Envelopes that one agent sends to another. */
export interface Pair {
  readonly from: PlainAgent
  readonly to: PlainAgent
}

/** What became of a number of envelopes. */
export interface Delivery {
  readonly sent: number
  readonly delivered: number
  /** False when one came before one that was sent before it, or twice. */
  readonly inOrder: boolean
  /** Delivered, from the first that was sent to the last that arrived. */
  readonly perSecond: number
}

/** An agent sends, another sends back; the next when the echo and the status have come. */
export async function measureRoundTrips({ from, to }: Pair, count: number, size: number): Promise<RoundTrips> {
  const ping = new NumberedFrame({ from: from.address, to: to.address, size })
  const pong = new NumberedFrame({ from: to.address, to: from.address, size })
  to.onEnvelope = (number) => void to.send(pong.numbered(number)).catch(() => {})
  const echoes: number[] = []
  const statuses: number[] = []
  for (let number = 0; number < WARM_UP + count; number++) {
    const echoed = Promise.withResolvers<void>()
    const sentAt = performance.now()
    from.onEnvelope = (echo) => {
      if (echo !== number) return
      if (number >= WARM_UP) echoes.push(performance.now() - sentAt)
      echoed.resolve()
    }
    await from.send(ping.numbered(number))
    if (number >= WARM_UP) statuses.push(performance.now() - sentAt)
    await Promise.race([echoed.promise, delay(QUIET, undefined, { ref: false }).then(() => fail('an echo was lost'))])
  }
  return { echo: percentiles(echoes), status: percentiles(statuses) }
}

/** All pairs at once, `count` envelopes each, each sender one at a time. */
export async function measureDelivery(pairs: readonly Pair[], count: number, size: number): Promise<Delivery> {
  const sent = pairs.length * count
  const started = performance.now()
  let delivered = 0
  let inOrder = true
  let lastAt = started
  const all = Promise.withResolvers<void>()
  for (const { to } of pairs) {
    let last = -1
    to.onEnvelope = (number) => {
      inOrder &&= number > last
      last = number
      delivered++
      lastAt = performance.now()
      if (delivered === sent) all.resolve()
    }
  }
  const sending = pairs.map(async ({ from, to }) => {
    const frame = new NumberedFrame({ from: from.address, to: to.address, size })
    for (let number = 0; number < count; number++) await from.send(frame.numbered(number))
  })
  await Promise.all(sending)
  await Promise.race([all.promise, quiet(() => lastAt)])
  return { sent, delivered, inOrder, perSecond: (delivered * 1000) / (lastAt - started) }
}

/** The same with our own client, which has 32 envelopes without an answer at a time. */
export async function measureOwnClient(
  nodes: readonly [NodeProcess, NodeProcess],
  pairs: number,
  count: number,
  size: number,
): Promise<Delivery> {
  const clients: { from: OwnAgent; to: OwnAgent }[] = []
  for (let pair = 0; pair < pairs; pair++) {
    clients.push({ from: await ownAgent(nodes[0]), to: await ownAgent(nodes[1]) })
  }
  const started = performance.now()
  let inOrder = true
  const receiving = clients.map(async ({ to }) => {
    let expected = 0
    for await (const event of to.client.events) {
      if (event.type !== 'envelope') continue
      inOrder &&= Buffer.from(event.envelope.message).readUInt32BE(0) === expected++
      if (expected === count) return
    }
  })
  const sending = clients.map(async ({ from, to }) => {
    const sent: Promise<unknown>[] = []
    for (let number = 0; number < count; number++) {
      const message = Buffer.alloc(size)
      message.writeUInt32BE(number)
      const protocolId = 'fetchai/default:1.0.0'
      const outcome = from.client.send({ to: to.address, sender: from.address, protocolId, message, uri: '' })
      sent.push(outcome)
      if (number >= 64) await sent[number - 64]
    }
    await Promise.all(sent)
  })
  await Promise.all([...receiving, ...sending])
  const perSecond = (pairs * count * 1000) / (performance.now() - started)
  for (const { from, to } of clients) await Promise.all([from.client.close(), to.client.close()])
  return { sent: pairs * count, delivered: pairs * count, inOrder, perSecond }
}

interface OwnAgent {
  readonly address: string
  readonly client: AcnClient
}

async function ownAgent({ key, delegatePort }: NodeProcess): Promise<OwnAgent> {
  const [ledger] = LEDGERS
  if (!ledger) throw new Error('no ledger')
  const privateKey = randomBytes(32)
  const identity = identityFromKey(ledger, privateKey)
  const { address } = await identity.recordFor(key.publicKeyHex)
  const entry = new DelegateEntry({ host: '127.0.0.1', port: delegatePort, peerPublicKey: key.publicKeyHex, identity })
  return { address, client: await AcnClient.connect({ entries: [entry] }) }
}

/** Registrations per second: TLS, Register and its status, of agents that are new; `atOnce` at a time. */
export async function measureRegistrations(node: NodeProcess, count: number, atOnce: number): Promise<number> {
  const records = Array.from({ length: count }, () => newRecord(node.key))
  const started = performance.now()
  const agents = await attachAll(node, records, atOnce)
  const perSecond = (count * 1000) / (performance.now() - started)
  for (const agent of agents) agent.close()
  return perSecond
}

/** Attaches agents to a node, `atOnce` at a time. */
export async function attachAll(
  { delegatePort }: NodeProcess,
  records: readonly AgentRecord[],
  atOnce: number,
): Promise<PlainAgent[]> {
  const agents: PlainAgent[] = []
  const left = records.values()
  const worker = async () => {
    for (const record of left) agents.push(await PlainAgent.delegate(record, delegatePort))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return agents
}

/** Milliseconds until an envelope has arrived. */
export async function measureArrival({ from, to }: Pair, size: number): Promise<number> {
  const frame = new NumberedFrame({ from: from.address, to: to.address, size })
  const arrived = Promise.withResolvers<number>()
  const sentAt = performance.now()
  to.onEnvelope = () => arrived.resolve(performance.now() - sentAt)
  await from.send(frame.numbered(0))
  return arrived.promise
}

/** Of any number of values. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

async function quiet(lastAt: () => number): Promise<void> {
  for (let left = QUIET; left > 0; left = lastAt() + QUIET - performance.now()) await delay(left)
}

function fail(text: string): never {
  throw new Error(text)
}
