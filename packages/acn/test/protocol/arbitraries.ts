import type { AcnMessage, AgentRecord, Envelope } from '@parley/acn/protocol'
import fc from 'fast-check'

/** Text that UTF-8 can carry: no lone surrogates. */
export const text = fc.string({ unit: 'binary' })
export const bytes = fc.uint8Array({ maxLength: 64 })

const PLAIN = { noNullPrototype: true } as const

export const record: fc.Arbitrary<AgentRecord> = fc.record(
  {
    serviceId: text,
    ledgerId: text,
    address: text,
    publicKey: text,
    peerPublicKey: text,
    signature: text,
    notBefore: text,
    notAfter: text,
  },
  PLAIN,
)

export const envelope: fc.Arbitrary<Envelope> = fc.record(
  {
    to: text,
    sender: text,
    protocolId: text,
    message: bytes,
    uri: text,
  },
  PLAIN,
)

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const maybeRecord = fc.option(fc.record({ record }, PLAIN), { nil: {} })
const body = fc.record({ body: fc.record({ code: int32, msgs: fc.array(text, { maxLength: 4 }) }, PLAIN) }, PLAIN)

export const message: fc.Arbitrary<AcnMessage> = fc.oneof(
  fc.tuple(bytes, maybeRecord).map(([payload, rest]) => ({ type: 'aeaEnvelope' as const, envelope: payload, ...rest })),
  text.map((agentAddress) => ({ type: 'lookupRequest' as const, agentAddress })),
  maybeRecord.map((rest) => ({ type: 'lookupResponse' as const, ...rest })),
  maybeRecord.map((rest) => ({ type: 'register' as const, ...rest })),
  fc.option(body, { nil: {} }).map((rest) => ({ type: 'status' as const, ...rest })),
  fc.constant({ type: 'empty' as const }),
)
