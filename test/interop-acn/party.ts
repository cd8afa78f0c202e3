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
      await from.send(to.address, message)
      const envelope = await to.received.take(AbortSignal.timeout(20_000))
      assert.equal(envelope?.sender, from.address)
      assert.ok(message.equals(envelope?.message ?? new Uint8Array()))
      count++
    }
  }
  return count
}
