import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Agent } from '@parley/agent'
import { checkLinkBinding, type VerifiedCard, verifyCard } from '../../src/card/index.ts'
import { linkReaderOf } from '../../src/directory/index.ts'
import { addressOf, World } from './world.ts'

const PROGRAM = fileURLToPath(new URL('./crash-node.ts', import.meta.url))

/** In the order in which they are reached, each after those before it. */
const STEPS = [
  'contact address made',
  'contact stored',
  'card stored',
  'link set',
  'link noted',
  'card served',
  'agent added',
  'contact forgotten',
]

interface Line {
  readonly contacts: number
  readonly card: string
  readonly served: string
}

/** Runs the node; gives what it has said, and how it ended. */
async function run(folder: string, router: string, step = '-'): Promise<{ line?: Line; signal: string | null }> {
  const args = ['--conditions=parley-source', PROGRAM, folder, router, step]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const [output, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { signal: signal as string | null, ...(output !== '' && { line: JSON.parse(output) as Line }) }
}

test('a node that is killed at each step of making a contact has one contact in the end, and a card that works', async () => {
  await using world = await World.make()
  const router = await world.router()
  const folder = join(world.folder, 'node')
  await mkdir(folder)
  await using reader = await Agent.open({ store: join(world.folder, 'reader.db'), servers: [router.address] })
  const check = async (line: Line | undefined): Promise<VerifiedCard> => {
    assert.equal(line?.contacts, 1)
    const card = verifyCard(Buffer.from(line.card, 'hex'), { expectedAddress: addressOf('agent', 'ethereum') })
    assert.equal(line.served, line.card)
    const data = await linkReaderOf(reader)(card.card.contactLink ?? '', AbortSignal.timeout(20_000))
    assert.equal(checkLinkBinding(card, data).card.sequence, card.card.sequence)
    return card
  }
  const cards: VerifiedCard[] = []
  for (const step of STEPS) {
    const { signal, line } = await run(folder, router.address, step)
    assert.equal(signal, 'SIGKILL', step)
    if (step === 'contact forgotten') cards.push(await check(line))
  }
  const { signal, line } = await run(folder, router.address)
  assert.equal(signal, null)
  cards.push(await check(line))
  const [before, after] = cards
  assert.notEqual(after?.card.contactLink, before?.card.contactLink)
  assert.ok((after?.card.sequence ?? 0) > (before?.card.sequence ?? 0))
})
