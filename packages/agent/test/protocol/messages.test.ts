import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type AgentEnvelope,
  type AgentMessage,
  type AMessage,
  agentEnvelopeCodec,
  agentMessageCodec,
  agentMessageTag,
  aMessageCodec,
} from '@parley/agent/protocol'
import { decode, encode } from '@parley/core/encoding'
import fc from 'fast-check'
import * as any from '../links/arbitraries.ts'
import { checkCodec, onlyDecodeError } from '../links/codec-checks.ts'

function nonEmpty<T>(items: fc.Arbitrary<T>): fc.Arbitrary<readonly [T, ...T[]]> {
  return fc.tuple(items, fc.array(items, { maxLength: 2 })).map(([first, rest]) => [first, ...rest] as const)
}

const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const body = any.bytes(0, 200)
const type = <T extends string>(name: T) => fc.constant(name)

const added = fc
  .tuple(fc.record({ queue: any.queueUri }), fc.record({ replaces: any.queueRef }, { requiredKeys: [] }))
  .map(([queue, old]) => ({ ...queue, ...old }))
const receipt = fc.record({ msgId: id, msgHash: any.bytes(32), info: body })
const queueKey = fc.record({ queue: any.queueInfo, senderKey: any.publicKey('ed25519') })

const messages: Readonly<Record<AMessage['type'], fc.Arbitrary<AMessage>>> = {
  HELLO: fc.record({ type: type('HELLO') }),
  A_MSG: fc.record({ type: type('A_MSG'), body }),
  A_RCVD: fc.record({ type: type('A_RCVD'), receipts: nonEmpty(receipt) }),
  A_QCONT: fc.record({ type: type('A_QCONT'), queue: any.queueRef }),
  QADD: fc.record({ type: type('QADD'), queues: nonEmpty(added) }),
  QKEY: fc.record({ type: type('QKEY'), queues: nonEmpty(queueKey) }),
  QUSE: fc.record({ type: type('QUSE'), queues: nonEmpty(fc.record({ queue: any.queueRef, primary: fc.boolean() })) }),
  QTEST: fc.record({ type: type('QTEST'), queues: nonEmpty(any.queueRef) }),
  EREADY: fc.record({ type: type('EREADY'), lastDecryptedMsgId: id }),
}
const aMessage = fc.oneof(...Object.values(messages))

const agentMessages: Readonly<Record<AgentMessage['type'], fc.Arbitrary<AgentMessage>>> = {
  connInfo: fc.record({ type: type('connInfo'), connInfo: body }),
  connInfoReply: fc.record({ type: type('connInfoReply'), queues: nonEmpty(any.queueInfo), connInfo: body }),
  ratchetInfo: fc.record({ type: type('ratchetInfo'), info: body }),
  message: fc.record({ type: type('message'), msgId: id, prevMsgHash: any.bytes(0, 32), message: aMessage }),
}

const agentVersion = fc.integer({ min: 0, max: 0xffff })
const envelopes: Readonly<Record<AgentEnvelope['type'], fc.Arbitrary<AgentEnvelope>>> = {
  confirmation: fc
    .tuple(
      fc.record({ type: type('confirmation'), agentVersion, encConnInfo: body }),
      fc.record({ e2eParams: any.e2eParams }, { requiredKeys: [] }),
    )
    .map(([confirmation, params]) => ({ ...confirmation, ...params })),
  message: fc.record({ type: type('message'), agentVersion, encAgentMessage: body }),
  invitation: fc.record({ type: type('invitation'), agentVersion, request: any.invitationRequest, connInfo: body }),
  ratchetKey: fc.record({ type: type('ratchetKey'), agentVersion, e2eParams: any.proposedE2eParams, info: body }),
}

describe('messages between agents', () => {
  for (const [name, values] of Object.entries(messages)) {
    it(name, () => checkCodec(aMessageCodec, values, undefined))
  }
  for (const [name, values] of Object.entries(agentMessages)) {
    it(name, () => checkCodec(agentMessageCodec, values, undefined))
  }
  for (const [name, values] of Object.entries(envelopes)) {
    it(`${name} envelope`, () => checkCodec(agentEnvelopeCodec, values, undefined))
  }

  it('are stored with a tag for each type', () => {
    const tags = [...Object.values(agentMessages), ...Object.values(messages)].flatMap((values) =>
      fc.sample(values as fc.Arbitrary<AgentMessage | AMessage>, 1).map((message) =>
        'connInfo' in message || 'info' in message || 'msgId' in message
          ? agentMessageTag(message as AgentMessage)
          : agentMessageTag({
              type: 'message',
              msgId: 1n,
              prevMsgHash: new Uint8Array(),
              message: message as AMessage,
            }),
      ),
    )
    for (const tag of ['C', 'D', 'S', 'H', 'M', 'V', 'QC', 'QA', 'QK', 'QU', 'QT', 'E'] as const) {
      assert.ok(tags.includes(tag), tag)
    }
  })

  it('keep the last byte of a reply queue apart from the information after it', () => {
    const [queue] = fc.sample(any.queueInfo, 1)
    assert.ok(queue)
    const { mode: _, ...ofVersion2 } = { ...queue, version: 2 }
    const reply = (connInfo: string): AgentMessage => ({
      type: 'connInfoReply',
      queues: [ofVersion2],
      connInfo: Buffer.from(connInfo),
    })
    const read = (connInfo: string) => {
      const message = decode(agentMessageCodec, encode(agentMessageCodec, reply(connInfo)))
      assert.ok(message.type === 'connInfoReply')
      return Buffer.from(message.connInfo).toString()
    }
    assert.equal(read('info'), 'info')
    // The layout takes a letter of a mode there for the mode: `spec/agent.md §0 A6`.
    assert.equal(read('Mode'), 'ode')
  })

  it('refuse unknown tags where they stand', () => {
    for (const [codec, bytes, offset] of [
      [agentMessageCodec, 'X', 0],
      [aMessageCodec, 'X', 0],
      [aMessageCodec, 'QX', 0],
      [agentEnvelopeCodec, '\0\x07X', 2],
    ] as const) {
      const input = Buffer.from(bytes, 'latin1')
      assert.throws(() => decode<unknown>(codec, input), { name: 'DecodeError', offset })
    }
  })

  it('refuse lists without an item', () => {
    for (const tag of ['V', 'QA', 'QK', 'QU', 'QT']) {
      assert.throws(() => decode(aMessageCodec, Buffer.from(`${tag}\0`)), { name: 'DecodeError', offset: tag.length })
    }
  })

  it('hold invitations only, with the position of what is wrong in them', () => {
    const invitation = (text: string) => {
      const length = Buffer.from([text.length >> 8, text.length & 0xff])
      return Buffer.concat([Buffer.from([0, 7]), Buffer.from('I'), length, Buffer.from(text), Buffer.from('info')])
    }
    const [contact] = fc.sample(
      any.connectionRequest.filter(({ mode }) => mode === 'contact'),
      1,
    )
    assert.ok(contact)
    assert.throws(() => decode(agentEnvelopeCodec, invitation('simplex:/invitation#/?x=1')), { offset: 5 + 22 })
    const text = fc.string({ unit: 'binary-ascii' })
    fc.assert(
      fc.property(text, (value) => {
        const bytes = invitation(value)
        onlyDecodeError(bytes.length, () => decode(agentEnvelopeCodec, bytes))
      }),
    )
  })
})
