import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FoundCard } from '../../src/directory/index.ts'
import { CardNeeds } from '../../src/gateway/card-needs.ts'

/** The card itself is of no interest here. */
const CARD = {} as FoundCard

test('a card that is found to lead nowhere while it is being taken is looked for again', async (t) => {
  const opened = Promise.withResolvers<void>()
  let looks = 0
  let opens = 0
  const stop = new AbortController()
  t.after(() => stop.abort())
  const cards = new CardNeeds({
    find: async () => {
      looks++
      return CARD
    },
    open: async () => {
      if (++opens === 1) cards.need('local', 'peer')
      else opened.resolve()
    },
    isWaiting: () => true,
    signal: stop.signal,
  })
  cards.need('local', 'peer')
  await opened.promise
  assert.deepEqual({ looks, opens }, { looks: 2, opens: 2 })
})
