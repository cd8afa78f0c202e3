import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { agreedParties, type Party, type Setting } from './party.ts'

function exchange(sender: Party, receiver: Party, pq?: boolean): void {
  const text = `${sender.ratchet.sndNumber}`
  const withKem = sender.ratchet.sndKem
  assert.equal(receiver.receive(sender.send(text, { pq })), text)
  assert.equal(receiver.ratchet.rcvKem, withKem, 'both sides know whether the KEM was used')
}

/** Turns until the KEM protects both directions, at most ten. */
function turnsUntilKem(first: Party, second: Party, pq?: boolean): number {
  let [sender, receiver] = [first, second]
  for (let turn = 1; turn <= 10; turn++) {
    exchange(sender, receiver, pq)
    if (receiver.ratchet.rcvKem && receiver.ratchet.sndKem) return turn
    ;[sender, receiver] = [receiver, sender]
  }
  return assert.fail('the KEM did not come on')
}

type Step = readonly [by: 'alice' | 'bob', kemUsed: boolean, pq?: boolean]

/** What is sent with the KEM while it is turned on and off: the conversations of pqdr.md §11. */
const CONVERSATIONS: ReadonlyArray<{
  readonly name: string
  readonly setting: Setting
  readonly steps: readonly Step[]
}> = [
  {
    name: 'goes off when one side turns it off, and on again only when both turn it on',
    setting: { algorithm: 'x25519', alicePq: true, bobKem: 'accept' },
    steps: [
      ['bob', true],
      ['alice', true],
      ['bob', true, false],
      ['alice', true],
      ['bob', false],
      ['alice', false],
      ['bob', false, true],
      ['alice', false],
      ['bob', false],
      ['alice', false],
      ['bob', false, true],
      ['alice', false, true],
      ['bob', false, true],
      ['alice', true],
      ['bob', true],
    ],
  },
  {
    name: 'goes off and on when every message says what its sender wants',
    setting: { alicePq: true, bobKem: 'accept' },
    steps: [
      ['bob', true, true],
      ['alice', true, true],
      ['bob', true, false],
      ['alice', true, true],
      ['bob', false, false],
      ['alice', false, false],
      ['bob', false, true],
      ['alice', false, false],
      ['bob', false, true],
      ['alice', false, false],
      ['bob', false, true],
      ['alice', false, true],
      ['bob', false, true],
      ['alice', true, true],
      ['bob', true, true],
    ],
  },
  {
    name: 'comes on later when both turn it on, and goes off again',
    setting: { alicePq: false, bobKem: 'none' },
    steps: [
      ['bob', false],
      ['alice', false],
      ['bob', false, true],
      ['bob', false, true],
      ['alice', false, true],
      ['alice', false, true],
      ['bob', false, true],
      ['alice', true, true],
      ['bob', true],
      ['alice', true],
      ['bob', true],
      ['alice', true, false],
      ['bob', true],
      ['alice', false],
      ['bob', false],
    ],
  },
  {
    name: 'comes on later and stays off afterwards as long as one side says so',
    setting: { algorithm: 'x25519', alicePq: false, bobKem: 'none' },
    steps: [
      ['bob', false, false],
      ['alice', false, false],
      ['bob', false, true],
      ['bob', false, true],
      ['alice', false, true],
      ['alice', false, true],
      ['bob', false, true],
      ['alice', true, true],
      ['bob', true, true],
      ['alice', true, true],
      ['bob', true, true],
      ['alice', true, false],
      ['bob', true, true],
      ['alice', false, false],
      ['bob', false, true],
      ['alice', false, false],
      ['bob', false, true],
      ['alice', false, false],
      ['bob', false, true],
    ],
  },
]

describe('the KEM', () => {
  it('is on from the first message when it was accepted', () => {
    const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'accept' })
    assert.equal(bob.ratchet.sndKem, true)
    assert.equal(turnsUntilKem(bob, alice), 1)
  })

  it('is on after one message each way when the joiner proposes', () => {
    const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'propose' })
    assert.equal(turnsUntilKem(bob, alice), 2)
  })

  it('stays off when the joiner does not want it', () => {
    const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'none' })
    for (let i = 0; i < 4; i++) {
      exchange(bob, alice)
      exchange(alice, bob)
      assert.ok(!alice.ratchet.sndKem && !alice.ratchet.rcvKem && !bob.ratchet.sndKem && !bob.ratchet.rcvKem)
    }
    assert.equal(alice.ratchet.supportKem, true, 'headers do not shrink again')
  })

  for (const { name, setting, steps } of CONVERSATIONS) {
    it(name, () => {
      const parties = agreedParties(setting)
      for (const [i, [by, kemUsed, pq]] of steps.entries()) {
        const [sender, receiver] = by === 'alice' ? [parties.alice, parties.bob] : [parties.bob, parties.alice]
        assert.equal(sender.ratchet.sndKem, kemUsed, `step ${i}`)
        exchange(sender, receiver, pq)
      }
    })
  }

  it('needs both: one side alone does not turn it on', () => {
    const { alice, bob } = agreedParties({ alicePq: false, bobKem: 'none' })
    for (let i = 0; i < 3; i++) {
      exchange(bob, alice, true)
      exchange(alice, bob)
    }
    assert.ok(!alice.ratchet.sndKem && !bob.ratchet.sndKem)
  })

  it('forgets the accepted key when it is turned off, so that the next header proposes', () => {
    const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'accept' })
    exchange(bob, alice)
    assert.ok(alice.ratchet.kem?.accepted)
    bob.receive(alice.send('off', { pq: false }))
    assert.ok(alice.ratchet.kem && !alice.ratchet.kem.accepted)
    assert.equal(bob.receive(alice.send('same chain')), 'same chain')
  })
})

describe('the version', () => {
  it('rises within one message when both support a higher one, and the KEM can come on', () => {
    const { alice, bob } = agreedParties({
      version: 2,
      maxVersions: { alice: 3, bob: 3 },
      alicePq: false,
      bobKem: 'none',
    })
    exchange(bob, alice)
    assert.equal(alice.ratchet.versions.current, 3)
    exchange(alice, bob)
    assert.equal(bob.ratchet.versions.current, 3)
    exchange(bob, alice, true)
    exchange(alice, bob, true)
    assert.ok(turnsUntilKem(bob, alice) <= 3)
  })

  it('stays where one side does not support more, and the KEM stays off', () => {
    const { alice, bob } = agreedParties({
      version: 2,
      maxVersions: { alice: 2, bob: 3 },
      alicePq: false,
      bobKem: 'none',
    })
    for (let i = 0; i < 3; i++) {
      exchange(bob, alice, true)
      exchange(alice, bob)
    }
    assert.equal(bob.ratchet.versions.current, 2)
    assert.equal(bob.ratchet.supportKem, false)
  })

  it('is announced as 3 by whoever turns the KEM on', () => {
    const { alice, bob } = agreedParties({ version: 2, alicePq: false, bobKem: 'none' })
    exchange(bob, alice, true)
    assert.equal(bob.ratchet.versions.maxSupported, 3)
    exchange(alice, bob, true)
    assert.equal(bob.ratchet.versions.current, 3)
    exchange(bob, alice)
    assert.equal(alice.ratchet.versions.current, 3)
    assert.ok(turnsUntilKem(alice, bob) <= 4)
  })
})
