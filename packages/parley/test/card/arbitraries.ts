import type { AgentRecord } from '@parley/acn/protocol'
import fc from 'fast-check'
import { type ContactCard, type LinkBinding, MAX_CARD_LIFETIME, type SignedCard } from '../../src/card/index.ts'
import { linkOf } from './sample.ts'

const plain = { noNullPrototype: true } as const
const name = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 80,
})
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
/** Leaves room for what is added to it. */
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - MAX_CARD_LIFETIME })

const named = fc.record(
  {
    ledgerId: name,
    address: name,
    publicKey: name,
    contactLink: fc.integer({ min: 0, max: 255 }).map(linkOf),
    channelKey: bytesOf(32),
    issuedAt: number,
    sequence: number,
    attachment: fc.record({ digest: bytesOf(32), type: name }, plain),
  },
  { ...plain, requiredKeys: ['ledgerId', 'address', 'publicKey', 'channelKey', 'issuedAt', 'sequence'] },
)

/** Any card that has the form of one. */
export const contactCard: fc.Arbitrary<ContactCard> = fc
  .tuple(named, number, fc.integer({ min: 1, max: MAX_CARD_LIFETIME }))
  .map(([card, notBefore, lifetime]) => ({ ...card, notBefore, notAfter: notBefore + lifetime }))

const record: fc.Arbitrary<AgentRecord> = fc.record(
  {
    serviceId: name,
    ledgerId: name,
    address: name,
    publicKey: name,
    peerPublicKey: name,
    signature: name,
    notBefore: name,
    notAfter: name,
  },
  plain,
)

const proof: fc.Arbitrary<SignedCard['proof']> = fc.oneof(
  fc.record({ kind: fc.constant('ledger' as const), signature: name }, plain),
  fc.record(
    { kind: fc.constant('represented' as const), record, signature: fc.uint8Array({ minLength: 1, maxLength: 80 }) },
    plain,
  ),
)

/** Any signed card that has the form of one. */
export const signedCard: fc.Arbitrary<SignedCard> = fc
  .tuple(contactCard, proof, fc.uint8Array({ minLength: 1, maxLength: 200 }))
  .map(([card, proof, attachment]) => ({ card, proof, ...(card.attachment && { attachment }) }))

/** Any link binding that has the form of one. */
export const linkBinding: fc.Arbitrary<LinkBinding> = fc.record(
  { address: name, sequence: number, signedCard: fc.uint8Array({ minLength: 1, maxLength: 300 }) },
  { ...plain, requiredKeys: ['address', 'sequence'] },
)
