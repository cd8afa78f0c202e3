import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RatchetError } from '@parley/agent/ratchet'
import { toHex } from '@parley/core/encoding'
import fc from 'fast-check'
import { agreedParties, type Party, SETTINGS, type Setting } from './party.ts'

/** What happens next: somebody sends, or one of the messages on the way arrives, is lost or comes twice. */
type Action =
  | { readonly type: 'send'; readonly by: 'alice' | 'bob'; readonly pq: boolean | undefined }
  | { readonly type: 'deliver' | 'lose' | 'deliverTwice'; readonly which: number }

interface Sent {
  readonly to: Party
  readonly bytes: Uint8Array
  readonly text: string
  readonly kemUsed: boolean
}

function sendAction(...pq: Array<boolean | undefined>): fc.Arbitrary<Action> {
  return fc.record({
    type: fc.constant('send' as const),
    by: fc.constantFrom('alice' as const, 'bob' as const),
    pq: fc.constantFrom(...pq),
  })
}

function deliverAction(...types: Array<'deliver' | 'lose' | 'deliverTwice'>): fc.Arbitrary<Action> {
  return fc.record({ type: fc.constantFrom(...types), which: fc.nat(50) })
}

function chainOf({ ratchet }: Party): string {
  return toHex(ratchet.receiving?.headerKey ?? new Uint8Array())
}

/** The receiver reads the message and knows whether the KEM protected it, unless it is a late one. */
function receive(sent: Sent): void {
  const { to, bytes, text, kemUsed } = sent
  const chain = chainOf(to)
  assert.equal(to.receive(bytes), text)
  if (chainOf(to) !== chain) assert.equal(to.ratchet.rcvKem, kemUsed)
}

/** A message that its receiver has had already gives an error and never the text again. */
function receiveAgain(sent: Sent): void {
  try {
    const outcome = sent.to.tryReceive(sent.bytes)
    assert.ok(!outcome.ok, 'decrypted twice')
    assert.match(outcome.error.code, /^(DUPLICATE|EARLIER)$/)
  } catch (error) {
    if (!(error instanceof RatchetError)) throw error
    assert.equal(error.code, 'HEADER')
  }
}

function converse(
  setting: Setting,
  actions: readonly Action[],
  pick: (waiting: Sent[], which: number) => number,
): void {
  const { alice, bob } = agreedParties(setting)
  const waiting: Sent[] = []
  const deliver = (which: number, then?: (sent: Sent) => void) => {
    const [sent] = waiting.splice(pick(waiting, which), 1)
    if (!sent) return
    receive(sent)
    then?.(sent)
  }
  for (const [i, next] of actions.entries()) {
    switch (next.type) {
      case 'send': {
        const [sender, to] = next.by === 'alice' ? [alice, bob] : [bob, alice]
        if (!sender.ratchet.sending) break
        const kemUsed = sender.ratchet.sndKem
        const text = `message ${i}`
        waiting.push({ to, bytes: sender.send(text, { pq: next.pq }), text, kemUsed })
        break
      }
      case 'deliver':
        deliver(next.which)
        break
      case 'deliverTwice':
        deliver(next.which, receiveAgain)
        break
      case 'lose':
        waiting.splice(pick(waiting, next.which), 1)
        break
    }
  }
  while (waiting.length > 0) deliver(0)
  assert.deepEqual(alice.ratchet.associatedData, bob.ratchet.associatedData)
  assert.equal(alice.send('still') && bob.receive(alice.send('alive')), 'alive')
}

const anyMessage = (waiting: Sent[], which: number) => which % Math.max(1, waiting.length)
const oldestMessage = () => 0

describe('two parties that send at random always read each other', () => {
  for (const [name, setting] of SETTINGS) {
    it(`when messages are late, lost or repeated: ${name}`, () => {
      // Turning the KEM off changes the headers of a chain, so that its first messages must come first: see below.
      const action = fc.oneof(
        { weight: 5, arbitrary: sendAction(undefined, true) },
        { weight: 4, arbitrary: deliverAction('deliver') },
        { weight: 1, arbitrary: deliverAction('lose', 'deliverTwice') },
      )
      fc.assert(
        fc.property(fc.array(action, { minLength: 1, maxLength: 40 }), (actions) => {
          converse(
            setting,
            [{ type: 'send', by: 'bob', pq: undefined }, { type: 'deliver', which: 0 }, ...actions],
            anyMessage,
          )
        }),
        { numRuns: 20 },
      )
    })

    it(`when the KEM is turned on and off: ${name}`, () => {
      const action = fc.oneof(sendAction(undefined, true, false), deliverAction('deliver', 'deliverTwice'))
      fc.assert(
        fc.property(fc.array(action, { minLength: 1, maxLength: 40 }), (actions) => {
          converse(setting, [{ type: 'send', by: 'bob', pq: undefined }, ...actions], oldestMessage)
        }),
        { numRuns: 20 },
      )
    })
  }
})
