import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type VerifiedCard, verifySignedCard } from '../../src/card/index.ts'
import { CardStoreFullError } from '../../src/directory/card-store.ts'
import { CardStore } from '../../src/directory/index.ts'
import { AGENT_CARD, linkOf, NOW, peerOf, refusal, SampleAgent } from '../card/sample.ts'

const agent = new SampleAgent(1)
const DEFAULT_LIMITS = { served: 10, remembered: 10 }

function storeOf(t: TestContext, limits: Partial<typeof DEFAULT_LIMITS> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'parley-cards-'))
  const open = () => CardStore.open({ file: join(folder, 'cards.db'), limits: { ...DEFAULT_LIMITS, ...limits } })
  let store = open()
  t.after(() => {
    store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const reopen = () => {
    store.close()
    store = open()
    return store
  }
  return { store, reopen }
}

async function cardOf(sequence: number, owner = agent, change: object = {}): Promise<VerifiedCard> {
  const signed = await owner.sign({ ...owner.card(), sequence, ...change })
  return verifySignedCard(signed, { expectedAddress: owner.address, now: NOW })
}

test('the newest card of each kind is served, also after a restart', async (t) => {
  const { store, reopen } = storeOf(t)
  const represented = verifySignedCard(agent.represented({ ...agent.card(), sequence: 9 }, peerOf(21)), {
    expectedAddress: agent.address,
    now: NOW,
  })
  assert.equal(await store.serve(await cardOf(5), true), true)
  assert.equal(await store.serve(await cardOf(5), true), false)
  assert.equal(await store.serve(represented, false), true)
  const sequences = (store: CardStore) =>
    store.served(agent.address).map(({ proof, card }) => [proof.kind, card.sequence])
  const both = [
    ['ledger', 5],
    ['represented', 9],
  ]
  assert.deepEqual(sequences(store), both)
  await assert.rejects(store.serve(await cardOf(4), true), refusal('ROLLED_BACK'))
  await assert.rejects(store.serve(await cardOf(5, agent, { contactLink: linkOf(9) }), true), refusal('EQUIVOCATION'))
  const again = reopen()
  assert.deepEqual(sequences(again), both)
  assert.equal(again.isOwn(agent.address), true)
  assert.equal(again.lastSequence(agent.address), 9)
  await assert.rejects(again.serve(await cardOf(4), true), refusal('ROLLED_BACK'))
  assert.equal(await again.serve(await cardOf(6), true), true)
  await again.forget(agent.address)
  assert.deepEqual(again.served(agent.address), [])
})

test('an attachment is served with its card, also when it comes later', async (t) => {
  const { store } = storeOf(t)
  const signed = await agent.sign(agent.card({ attachment: AGENT_CARD }), AGENT_CARD)
  const { attachment, ...short } = signed
  const options = { expectedAddress: agent.address, now: NOW }
  await store.serve(verifySignedCard(short, options), true)
  assert.equal(store.served(agent.address)[0]?.attachment, undefined)
  assert.equal(await store.serve(verifySignedCard(signed, options), true), false)
  assert.equal(Buffer.from(store.served(agent.address)[0]?.attachment ?? []).toString(), AGENT_CARD.bytes.toString())
})

test('what was taken once is not taken back, also after a restart', async (t) => {
  const { store, reopen } = storeOf(t)
  await store.take(await cardOf(5))
  await store.take(await cardOf(7))
  await store.take(await cardOf(7))
  const twin = await cardOf(7, agent, { contactLink: linkOf(9) })
  for (const open of [() => store, reopen]) {
    const current = open()
    for (const [card, code] of [
      [await cardOf(6), 'ROLLED_BACK'],
      [twin, 'EQUIVOCATION'],
    ] as const) {
      assert.throws(() => current.check(card), refusal(code))
      await assert.rejects(current.take(card), refusal(code))
    }
    assert.deepEqual(
      current.highest(agent.address).map(({ card }) => card.sequence),
      [7],
    )
    current.check(await cardOf(7))
  }
})

test('others’ cards have so many places; own ones and newer ones always have', async (t) => {
  const { store } = storeOf(t, { served: 2 })
  const others = [11, 12, 13].map((number) => new SampleAgent(number))
  const [first, second, third] = await Promise.all(others.map((owner) => cardOf(5, owner)))
  assert.ok(first && second && third)
  await store.serve(first, false, NOW)
  await store.serve(second, false, NOW)
  await assert.rejects(store.serve(third, false, NOW), CardStoreFullError)
  await store.serve(await cardOf(6, others[0]), false, NOW)
  await store.serve(await cardOf(5), true, NOW)
  await assert.rejects(store.serve(third, false, NOW), CardStoreFullError)
  // Those that have expired make room.
  const later = first.card.notAfter + 1
  await store.serve(third, false, later)
  assert.deepEqual(store.served(others[0]?.address ?? ''), [])
  assert.equal(store.served(agent.address).length, 1)
})

test('the memory of newest cards is bounded: the one seen first is forgotten', async (t) => {
  const { store } = storeOf(t, { remembered: 3 })
  const others = [11, 12, 13, 14].map((number) => new SampleAgent(number))
  for (const [i, owner] of others.entries()) await store.take(await cardOf(5, owner), NOW + i)
  assert.deepEqual(
    others.map(({ address }) => store.highest(address).length),
    [0, 1, 1, 1],
  )
})
