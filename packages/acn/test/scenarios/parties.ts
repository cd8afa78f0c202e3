import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { type Envelope, STATUS } from '@parley/acn/protocol'
import { FramedAgent, type FramedAgentOptions } from '../entrance/framed-agent.ts'
import { newRecord } from '../peer/test-peer.ts'

/** For one scenario, ms: what takes longer hangs. */
export const PATIENCE = 60_000

/** Whoever sends and receives envelopes, whatever stands behind it. */
export interface Party {
  readonly address: string
  /** Hands an envelope over; gives the code of its status. */
  send(to: string, words: string): Promise<number>
  next(): Promise<Envelope>
}

/** The client of the Go node's own tests: says twice that it has an envelope. */
const GO_CLIENT: FramedAgentOptions = { acknowledgements: 2 }
/** The client of the Python agents: looks at the certificate on a connection that it throws away. */
const PYTHON_CLIENT: FramedAgentOptions = { looksFirst: true }

/** A delegate that behaves as the client of the Go tests. */
export function goDelegate(t: TestContext, node: AcnNode, ledger = 0): Promise<FramedAgent> {
  return framedDelegate(t, node, ledger, GO_CLIENT)
}

/** A delegate that behaves as the Python client. */
export function pythonDelegate(t: TestContext, node: AcnNode, ledger = 0): Promise<FramedAgent> {
  return framedDelegate(t, node, ledger, PYTHON_CLIENT)
}

async function framedDelegate(
  t: TestContext,
  node: AcnNode,
  ledger: number,
  options: FramedAgentOptions,
): Promise<FramedAgent> {
  const agent = await FramedAgent.delegate(newRecord(node.key.publicKeyHex, ledger), node.delegatePort ?? 0, options)
  t.after(() => agent.close())
  return agent
}

/** All ordered pairs of different ones. */
export function pairsOf<T>(all: readonly T[]): (readonly [from: T, to: T])[] {
  return all.flatMap((from) => all.filter((to) => to !== from).map((to) => [from, to] as const))
}

/** One writes to the other, and nothing but that comes next. */
export async function deliver(from: Party, to: Party, words = 'hello'): Promise<void> {
  assert.equal(await from.send(to.address, words), STATUS.SUCCESS)
  assert.deepEqual(readable(await to.next()), { from: from.address, to: to.address, words })
}

/** One writes to the other, which answers. */
export async function echo(one: Party, other: Party): Promise<void> {
  await deliver(one, other, 'there')
  await deliver(other, one, 'and back')
}

/** Each writes to each, one after the other. */
export async function eachToEach(parties: readonly Party[]): Promise<void> {
  for (const [from, to] of pairsOf(parties)) await deliver(from, to, `${from.address} to ${to.address}`)
}

/** Each writes `ping` to each, all at once, and answers each `ping` with `ack`; all of it comes, and nothing else. */
export async function pingAllAtOnce(parties: readonly Party[]): Promise<void> {
  const reading = parties.map((party) => answerPings(party, 2 * (parties.length - 1)))
  const codes = await Promise.all(pairsOf(parties).map(([from, to]) => from.send(to.address, 'ping')))
  assert.deepEqual(new Set(codes), new Set([STATUS.SUCCESS]))
  for (const [i, got] of (await Promise.all(reading)).entries()) {
    const others = parties.filter((_, j) => j !== i).map(({ address }) => address)
    const expected = others.flatMap((address) => [`ack of ${address}`, `ping of ${address}`])
    assert.deepEqual(got.sort(), expected.sort())
  }
}

async function answerPings(party: Party, count: number): Promise<string[]> {
  const got: string[] = []
  while (got.length < count) {
    const { from, words } = readable(await party.next())
    got.push(`${words} of ${from}`)
    if (words === 'ping') assert.equal(await party.send(from, 'ack'), STATUS.SUCCESS)
  }
  return got
}

/** The words of the next envelopes. */
export async function take(party: Party, count: number): Promise<string[]> {
  const words: string[] = []
  while (words.length < count) words.push(readable(await party.next()).words)
  return words
}

function readable({ sender: from, to, message }: Envelope): { from: string; to: string; words: string } {
  return { from, to, words: Buffer.from(message).toString() }
}
