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

/** The same of renewing: up to the first of these the old contact is the one that stays, from then on the new one. */
const COMMITTED = 'contact replaced'
const RENEWAL = [
  'contact address made',
  'link set',
  COMMITTED,
  'old link set',
  'card served',
  'agent added',
  'old contact deleted',
  'old contact forgotten',
]

interface Line {
  readonly contacts: number
  readonly card: string
  readonly served: string
  /** What the card's link says. */
  readonly linked: string
}

interface Run {
  /** The last one that was said. */
  readonly line?: Line
  readonly lines: readonly Line[]
  readonly signal: string | null
}

/** Runs the node; gives what it has said, and how it ended. */
async function run(folder: string, router: string, step = '-', ...order: readonly string[]): Promise<Run> {
  const args = ['--conditions=parley-source', PROGRAM, folder, router, step, ...order]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const [output, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const lines = output.split('\n').flatMap((text) => (text === '' ? [] : [JSON.parse(text) as Line]))
  const line = lines.at(-1)
  return { signal: signal as string | null, lines, ...(line && { line }) }
}

/** Checks that there is one contact whose card is served and agrees with its link. */
function check(line: Line | undefined): VerifiedCard {
  assert.equal(line?.contacts, 1)
  const card = verifyCard(Buffer.from(line.card, 'hex'), { expectedAddress: addressOf('agent', 'ethereum') })
  assert.equal(line.served, line.card)
  assert.equal(checkLinkBinding(card, Buffer.from(line.linked, 'hex')).card.sequence, card.card.sequence)
  return card
}

test('a node that is killed at each step of making a contact has one contact in the end, and a card that works', async () => {
  await using world = await World.make()
  const router = await world.router()
  const folder = join(world.folder, 'node')
  await mkdir(folder)
  const cards: VerifiedCard[] = []
  for (const step of STEPS) {
    const { signal, line } = await run(folder, router.address, step)
    assert.equal(signal, 'SIGKILL', step)
    if (step === 'contact forgotten') cards.push(check(line))
  }
  const { signal, line } = await run(folder, router.address)
  assert.equal(signal, null)
  cards.push(check(line))
  const [before, after] = cards
  assert.notEqual(after?.card.contactLink, before?.card.contactLink)
  assert.ok((after?.card.sequence ?? 0) > (before?.card.sequence ?? 0))
})

test('a node that is killed at each step of renewing a contact has the old one or the new one, and a card that works', async () => {
  await using world = await World.make()
  const router = await world.router()
  const folder = join(world.folder, 'node')
  await mkdir(folder)
  await using reader = await Agent.open({ store: join(world.folder, 'reader.db'), servers: [router.address] })
  let before: VerifiedCard | undefined
  for (const [i, step] of [...RENEWAL, '-'].entries()) {
    // Begins with what the last crash has led to.
    const { lines, signal } = await run(folder, router.address, step, ...(step === '-' ? [] : ['renew']))
    const crashed = RENEWAL[i - 1]
    assert.deepEqual([signal, lines.length], [step === '-' ? null : 'SIGKILL', 1], step)
    const after = check(lines[0])
    if (before && crashed !== undefined) {
      const isNew = i > RENEWAL.indexOf(COMMITTED)
      assert.equal(after.card.contactLink !== before.card.contactLink, isNew, crashed)
      assert.equal(Buffer.compare(after.card.channelKey, before.card.channelKey) !== 0, isNew, crashed)
      assert.equal(after.card.sequence > before.card.sequence, isNew, crashed)
      // Deleted in the background; until then it says where the new one is.
      const old = linkReaderOf(reader)(before.card.contactLink ?? '', AbortSignal.timeout(20_000))
      const said = await old.then(
        (data) => checkLinkBinding(before as VerifiedCard, data).card,
        () => undefined,
      )
      if (said || !isNew) assert.equal(said?.sequence, after.card.sequence, crashed)
    }
    before = after
  }
})
