import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { checkLinkBinding, verifyCard } from '../../src/card/index.ts'
import { outputOf, type VectorInput, type VectorOutput } from './vector-cases.ts'

interface Vector {
  readonly name: string
  readonly input: VectorInput
  readonly output: VectorOutput
}

const { vectors } = JSON.parse(readFileSync(new URL('vectors/contact-cards.json', import.meta.url), 'utf8')) as {
  readonly vectors: readonly Vector[]
}

for (const { name, input, output } of vectors) {
  test(`vector: ${name}`, async () => {
    assert.deepEqual(await outputOf(input), output)
    const now = input.issuedAt + 1
    const verified = verifyCard(Buffer.from(output.signedCard, 'hex'), { expectedAddress: output.address, now })
    assert.equal(verified.kind, input.peerPrivateKey === undefined ? 'ledger' : 'represented')
    assert.equal(verified.card.contactLink, input.contactLink)
    assert.equal(verified.attachment && Buffer.from(verified.attachment).toString(), input.attachment)
    checkLinkBinding(verified, Buffer.from(output.linkBinding, 'hex'), { now })
  })
}

test('there is a vector of each ledger and kind, with attachment and without link', () => {
  assert.equal(vectors.length, 6)
})
