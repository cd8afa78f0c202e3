import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import type { AuthPrivateKey, Command } from '../../src/protocol/index.ts'
import type { RawClient } from './raw-client.ts'
import { err, newQueue, RouterFixture } from './router-fixture.ts'

const ROUNDS = 150
const ATTEMPTS = 4
/** The originals' own test allows 30 %; busy machines need more. */
const TOLERANCE = 0.35

interface Refused {
  readonly name: string
  readonly entityId: () => Uint8Array
  readonly key: AuthPrivateKey
}

/** Median of the time of each refusal, measured in turn so that they meet the same load. */
async function medians(client: RawClient, command: Command, cases: readonly Refused[]): Promise<number[]> {
  const times = cases.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, { entityId, key }] of cases.entries()) {
      const id = entityId()
      const start = performance.now()
      const answer = await client.ask(command, id, key)
      times[index]?.push(performance.now() - start)
      assert.deepEqual(answer, err('AUTH'))
    }
  }
  return times.map((all) => all.toSorted((a, b) => a - b)[all.length >> 1] as number)
}

describe('refusals take the same time', () => {
  for (const algorithm of ['ed25519', 'x25519', 'ed448'] as const) {
    it(`whether the queue exists or not, and whatever the kind of its key: authorised with ${algorithm}`, async (t) => {
      const fixture = await RouterFixture.start(t)
      const client = await fixture.connect()
      const same = await newQueue(client, { algorithm })
      const other = await newQueue(client, { algorithm: algorithm === 'ed25519' ? 'x25519' : 'ed25519' })
      const key: AuthPrivateKey = PrivateKey.generate(algorithm)
      const cases: Refused[] = [
        { name: 'wrong key', entityId: () => same.rcvId, key },
        { name: 'key of another kind', entityId: () => other.rcvId, key },
        { name: 'no such queue', entityId: () => new Uint8Array(24), key },
        { name: 'no such queue, each time another', entityId: () => new Uint8Array(randomBytes(24)), key },
      ]
      await medians(client, { type: 'SUB' }, cases)
      const seen: string[] = []
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const [reference = 0, ...others] = await medians(client, { type: 'SUB' }, cases)
        if (others.every((median) => Math.abs(median - reference) <= TOLERANCE * Math.max(median, reference))) return
        seen.push([reference, ...others].map((median) => median.toFixed(3)).join(' '))
      }
      assert.fail(`medians in ms of ${cases.map(({ name }) => name)}: ${seen.join('; ')}`)
    })
  }
})
