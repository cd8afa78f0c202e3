import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encryptedHeaderCodec, encryptedMessageCodec, RatchetError } from '@parley/agent/ratchet'
import { decode } from '@parley/core/encoding'
import { agreedParties, Party, SETTINGS } from './party.ts'

/** pqdr.md §5: encrypted header with its version, IV, tag and length. */
function headerLength(party: Party, withKem: boolean): number {
  if (party.ratchet.versions.current < 3) return 123
  return withKem ? 2346 : 124
}

for (const [name, setting] of SETTINGS) {
  describe(name, () => {
    it('decrypts both directions in turn', () => {
      const { alice, bob } = agreedParties(setting)
      for (let i = 0; i < 4; i++) {
        assert.equal(alice.receive(bob.send(`to alice ${i}`)), `to alice ${i}`)
        assert.equal(bob.receive(alice.send(`to bob ${i}`)), `to bob ${i}`)
      }
      assert.deepEqual(alice.ratchet.associatedData, bob.ratchet.associatedData)
      assert.equal(alice.skipped.size + bob.skipped.size, 0)
    })

    it('decrypts skipped messages in any order, each once', () => {
      const { alice, bob } = agreedParties(setting)
      const messages = ['0', '1', '2', '3'].map((text) => bob.send(text))
      const received = [3, 1, 0, 2].map((i) => alice.receive(messages[i] ?? new Uint8Array()))
      assert.deepEqual(received, ['3', '1', '0', '2'])
      assert.equal(alice.skipped.size, 0)
    })

    it('decrypts messages of the previous chain after the ratchet went on', () => {
      const { alice, bob } = agreedParties(setting)
      alice.receive(bob.send('first'))
      const late = [alice.send('late 0'), alice.send('late 1')]
      bob.receive(alice.send('on time'))
      alice.receive(bob.send('answer'))
      bob.receive(alice.send('next chain'))
      assert.equal(bob.receive(late[1] ?? new Uint8Array()), 'late 1')
      assert.equal(bob.receive(late[0] ?? new Uint8Array()), 'late 0')
      assert.equal(alice.receive(bob.send('goes on')), 'goes on')
    })

    it('keeps keys of a chain whose end never came', () => {
      const { alice, bob } = agreedParties(setting)
      alice.receive(bob.send('first'))
      bob.receive(alice.send('a0'))
      const [late0, late1] = [alice.send('a1'), alice.send('a2')]
      alice.receive(bob.send('b'))
      assert.equal(bob.receive(alice.send('a3')), 'a3')
      assert.equal(bob.skipped.size, 2)
      assert.equal(bob.receive(late1), 'a2')
      assert.equal(bob.receive(late0), 'a1')
      assert.equal(bob.skipped.size, 0)
    })

    it('pads headers and bodies to fixed lengths', () => {
      const { alice, bob } = agreedParties(setting)
      for (const [sender, receiver] of [
        [bob, alice],
        [alice, bob],
        [bob, alice],
        [alice, bob],
      ] as const) {
        const text = 'x'.repeat(sender.ratchet.sndNumber * 7)
        const sent = sender.send(text, { paddedLength: 50 })
        const { header, body } = decode(encryptedMessageCodec, sent, { version: 3 })
        assert.equal(header.length, headerLength(sender, sender.ratchet.supportKem))
        assert.equal(decode(encryptedHeaderCodec, header).version, sender.ratchet.versions.current)
        assert.equal(body.length, 50)
        assert.equal(receiver.receive(sent), text)
      }
    })
  })
}

describe('a ratchet', () => {
  it('of the initiator cannot send before it has received', () => {
    const { alice } = agreedParties({ alicePq: false, bobKem: 'none' })
    assert.throws(() => alice.send('too early'), new RatchetError({ code: 'STATE' }))
  })

  it('refuses a body that does not fit, with its length bytes', () => {
    const { bob } = agreedParties({ alicePq: false, bobKem: 'none' })
    assert.equal(bob.send('x'.repeat(98), { paddedLength: 100 }).length, 2 + 124 + 16 + 100)
    assert.throws(() => bob.send('x'.repeat(99), { paddedLength: 100 }), new RatchetError({ code: 'LARGE_MSG' }))
  })

  it('is not changed by what it makes', () => {
    const { alice, bob } = agreedParties({ alicePq: true, bobKem: 'accept' })
    const before = new Party(alice.ratchet, 3)
    const message = bob.send('once')
    assert.equal(alice.receive(message), 'once')
    assert.equal(before.receive(message), 'once')
  })
})
