// Enqueues without end and says which envelopes are stored, until it is killed: `node killed-node.ts <folder>`.
import { SqliteAcnStore } from '@parley/acn/store'
import { envelope } from './fixture.ts'

const store = await SqliteAcnStore.open(process.argv[2] ?? '', { maxPerPair: 1_000_000, maxPerAgent: 1_000_000 })
let words = 0

async function enqueueOn(): Promise<void> {
  for (;;) {
    const word = String(words++)
    const outcome = await store.enqueue(envelope(word))
    if (!outcome.accepted) throw new Error(outcome.reason)
    process.stdout.write(`${word}\n`)
  }
}

await Promise.all(Array.from({ length: 20 }, enqueueOn))
