// The process that makes the load: `node load.ts '{"kind": …}'`; prints one JSON object. What it opened stays open
// until its standard input ends.
import { randomBytes } from 'node:crypto'
import { PrivateKey } from '@parley/core/crypto'
import { parseSmpServer, type ReceivedMessage } from '@parley/smp/protocol'
import { AskingConnection, type PreparedCommand, RawConnection } from './raw-connection.ts'

/** What to do, against the router at `address`. */
export type LoadPlan = { readonly address: string } & (
  | {
      readonly kind: 'cycles'
      readonly connections: number
      readonly pipeline: number
      readonly warmUpMs: number
      readonly measureMs: number
    }
  | { readonly kind: 'connections'; readonly count: number }
  | { readonly kind: 'queues'; readonly count: number }
)

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

export interface CyclesResult {
  readonly cyclesPerSecond: number
  readonly delivery: Percentiles
  readonly cycle: Percentiles
  /** Cycles of the slowest connection over the mean. */
  readonly fairness: number
  readonly cycles: number
}

export interface CountResult {
  readonly perSecond: number
}

/** Bytes of a message: the largest that agents send. */
const BODY = new Uint8Array(randomBytes(16048))
/** NEW commands under way at a time: two blocks full. */
const NEW_PIPELINE = 160

/**
 * SEND, OK, MSG, ACK, OK on one queue, both ends of which are on one connection. `pipeline` messages are under way at
 * a time; the router delivers them one after the other, so that with more than one the answer to ACK is the next MSG.
 */
class Cycles {
  readonly #connection: RawConnection
  readonly #queue: Queue
  readonly #record: (delivery: number, cycle: number) => void
  /** When the messages that were not delivered yet were sent, oldest first. */
  readonly #sentAt: number[] = []
  #delivered: { sentAt: number; deliveredAt: number } | undefined
  #ackId: string | undefined
  /** The same message every time, signed once, so that the load does not take the router's processor time. */
  readonly #message: PreparedCommand

  constructor(connection: RawConnection, queue: Queue, record: (delivery: number, cycle: number) => void) {
    this.#connection = connection
    this.#queue = queue
    this.#record = record
    const { sndId, sndKey } = queue
    this.#message = connection.prepare({ type: 'SEND', notification: false, body: BODY }, sndId, sndKey)
  }

  send(): void {
    this.#sentAt.push(performance.now())
    this.#connection.repeat(this.#message)
  }

  receive({ message, corrId }: ReceivedMessage): void {
    if (message.type !== 'OK' && message.type !== 'MSG') {
      throw new Error(`the router answered ${JSON.stringify(message)}`)
    }
    const isFinished = corrId.length > 0 && idOf(corrId) === this.#ackId
    if (isFinished) this.#finish()
    // In this order the original's second answer is not held back until TCP acknowledges the first.
    if (message.type === 'MSG') this.#acknowledge(message.msgId)
    if (isFinished) this.send()
  }

  #acknowledge(msgId: Uint8Array): void {
    const { rcvId, rcvKey } = this.#queue
    this.#delivered = { sentAt: this.#sentAt.shift() ?? Number.NaN, deliveredAt: performance.now() }
    this.#ackId = idOf(this.#connection.send({ type: 'ACK', msgId }, rcvId, rcvKey))
  }

  #finish(): void {
    if (!this.#delivered) return
    const { sentAt, deliveredAt } = this.#delivered
    this.#record(deliveredAt - sentAt, performance.now() - sentAt)
  }
}

interface Queue {
  readonly rcvId: Uint8Array
  readonly sndId: Uint8Array
  readonly rcvKey: PrivateKey<'ed25519'>
  readonly sndKey: PrivateKey<'ed25519'>
}

async function measureCycles(plan: LoadPlan & { kind: 'cycles' }): Promise<CyclesResult> {
  const counts = new Uint32Array(plan.connections)
  const deliveries: number[] = []
  const cycles: number[] = []
  let isMeasuring = false
  const all: Cycles[] = []
  for (let index = 0; index < plan.connections; index++) {
    const record = (delivery: number, cycle: number) => {
      if (!isMeasuring) return
      counts[index] = (counts[index] ?? 0) + 1
      deliveries.push(delivery)
      cycles.push(cycle)
    }
    all.push(await openQueue(plan.address, record))
  }
  for (let message = 0; message < plan.pipeline; message++) for (const one of all) one.send()
  await delay(plan.warmUpMs)
  isMeasuring = true
  const started = performance.now()
  await delay(plan.measureMs)
  isMeasuring = false
  const seconds = (performance.now() - started) / 1000
  return {
    cyclesPerSecond: cycles.length / seconds,
    delivery: percentiles(deliveries),
    cycle: percentiles(cycles),
    fairness: (Math.min(...counts) * plan.connections) / cycles.length,
    cycles: cycles.length,
  }
}

async function openQueue(address: string, record: (delivery: number, cycle: number) => void): Promise<Cycles> {
  let cycles: Cycles | undefined
  const answers = new Map<string, (message: ReceivedMessage) => void>()
  const connection = await RawConnection.connect(address, (received) => {
    if (cycles) cycles.receive(received)
    else answers.get(idOf(received.corrId))?.(received)
  })
  const ask = (...command: Parameters<RawConnection['send']>) => {
    const { promise, resolve } = Promise.withResolvers<ReceivedMessage>()
    answers.set(idOf(connection.send(...command)), resolve)
    return promise
  }
  const { password } = parseSmpServer(address)
  const rcvKey = PrivateKey.generate('ed25519')
  const sndKey = PrivateKey.generate('ed25519')
  const { message } = await ask(newQueue(rcvKey, true, password), undefined, rcvKey)
  if (message.type !== 'IDS') throw new Error(`the router answered ${JSON.stringify(message)}`)
  await ask({ type: 'KEY', sndAuthKey: sndKey.publicKey }, message.rcvId, rcvKey)
  const [rcvId, sndId] = [Uint8Array.from(message.rcvId), Uint8Array.from(message.sndId)]
  cycles = new Cycles(connection, { rcvId, sndId, rcvKey, sndKey }, record)
  return cycles
}

function newQueue(rcvKey: PrivateKey<'ed25519'>, subscribe: boolean, password: string | undefined) {
  return {
    type: 'NEW',
    rcvAuthKey: rcvKey.publicKey,
    rcvDhKey: DH_KEY.publicKey,
    subscribe,
    queueRequest: { mode: 'messaging' },
    ...(password !== undefined && { password }),
  } as const
}

/** One for all: making keys would slow the load down, and the router cannot tell. */
const DH_KEY = PrivateKey.generate('x25519')

async function openConnections({ address, count }: LoadPlan & { kind: 'connections' }): Promise<CountResult> {
  const started = performance.now()
  for (let index = 0; index < count; index++) await RawConnection.connect(address, () => {})
  return { perSecond: (count * 1000) / (performance.now() - started) }
}

async function createQueues({ address, count }: LoadPlan & { kind: 'queues' }): Promise<CountResult> {
  const { password } = parseSmpServer(address)
  const connection = await AskingConnection.connect(address)
  const rcvKey = PrivateKey.generate('ed25519')
  const started = performance.now()
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const answer = await connection.ask(newQueue(rcvKey, false, password), undefined, rcvKey)
      if (answer.type !== 'IDS') throw new Error(`the router answered ${JSON.stringify(answer)}`)
    }
  }
  await Promise.all(Array.from({ length: NEW_PIPELINE }, worker))
  connection.close()
  return { perSecond: (count * 1000) / (performance.now() - started) }
}

function percentiles(values: number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

function idOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan
const result =
  plan.kind === 'cycles'
    ? await measureCycles(plan)
    : plan.kind === 'connections'
      ? await openConnections(plan)
      : await createQueues(plan)
process.stdout.write(`${JSON.stringify(result)}\n`)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
