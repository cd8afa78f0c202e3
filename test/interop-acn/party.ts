import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Envelope } from '@parley/acn/protocol'
import type { BoundedQueue } from '@parley/core/queue'

/** Someone who sends and receives, whatever stands behind it. */
export interface Party {
  readonly address: string
  readonly received: BoundedQueue<Envelope>
  send(to: string, message: Uint8Array): Promise<unknown>
}

/** What was sent so far. */
const sent = new Set<string>()

/**
 * Each sends to each, and each envelope comes.
 * @param cannot pairs that are left out
 * @returns how many envelopes came
 */
export async function exchangeAll(
  parties: readonly Party[],
  cannot: (from: Party, to: Party) => boolean = () => false,
  length = 300,
): Promise<number> {
  let count = 0
  for (const from of parties) {
    for (const to of parties) {
      if (from === to || cannot(from, to)) continue
      const message = randomBytes(length)
      sent.add(keyOf(message))
      await from.send(to.address, message)
      const envelope = await receive(to, message)
      assert.equal(envelope.sender, from.address)
      count++
    }
  }
  return count
}

/**
 * Takes envelopes until the one with a message comes. An earlier one may come once more: an original node sends it again
 * when the answer was lost, as when its receiver stops with the last word.
 */
async function receive(to: Party, message: Uint8Array): Promise<Envelope> {
  const deadline = AbortSignal.timeout(20_000)
  for (;;) {
    const envelope = await to.received.take(deadline)
    assert.ok(envelope, 'no envelope any more')
    if (keyOf(envelope.message) === keyOf(message)) return envelope
    assert.ok(sent.has(keyOf(envelope.message)), 'an envelope that nobody sent')
  }
}

function keyOf(message: Uint8Array): string {
  return Buffer.from(message).toString('base64')
}
