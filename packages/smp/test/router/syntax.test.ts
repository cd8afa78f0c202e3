import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { type BrokerMessage, commandCodec } from '../../src/protocol/index.ts'
import type { RawClient, Request } from './raw-client.ts'
import { cmdErr, err, newQueue, newQueueCommand, OK, RouterFixture, send, type TestQueue } from './router-fixture.ts'

/** The rows "syntax" of `spec/smp.md §10` and the table of credentials of §2.4. */
describe('malformed commands', () => {
  const cleanUp: (() => Promise<void>)[] = []
  let client: RawClient
  let queue: TestQueue
  before(async () => {
    const fixture = await RouterFixture.start({ after: (action) => cleanUp.push(action as () => Promise<void>) })
    client = await fixture.connect()
    queue = await newQueue(client)
  })
  after(async () => {
    for (const action of cleanUp) await action()
  })

  const PING = { type: 'PING' } as const
  const key = PrivateKey.generate('ed25519')
  const { command: create, rcvKey } = newQueueCommand()
  const encodedNew = Buffer.from(encode(commandCodec, create, { version: 18 }))

  async function expectAnswer(request: Omit<Request, 'command'> & Partial<Request>, expected: BrokerMessage) {
    const [answer] = await client.askAll([{ command: PING, ...request }])
    assert.deepEqual(answer, expected)
  }

  const raw: [name: string, raw: string | Uint8Array, authorised: boolean, withEntity: boolean, BrokerMessage][] = [
    ['unknown command', 'HELLO', true, true, cmdErr('UNKNOWN')],
    ['empty command', '', true, true, cmdErr('UNKNOWN')],
    ['lower case', 'sub', true, true, cmdErr('UNKNOWN')],
    ['message of a router', 'OK', true, true, cmdErr('UNKNOWN')],
    ['MSG of a router', `MSG ${'\0'}`, true, true, cmdErr('UNKNOWN')],
    ['NEW without parameters', 'NEW', true, false, cmdErr('SYNTAX')],
    ['NEW with a parameter that is no key', 'NEW 123', true, false, cmdErr('SYNTAX')],
    ['NEW with bytes after its end', Buffer.concat([encodedNew, Buffer.from('1')]), true, false, cmdErr('SYNTAX')],
    ['NEW cut short', encodedNew.subarray(0, -1), true, false, cmdErr('SYNTAX')],
    ['SUB with a parameter', 'SUB 1', true, true, cmdErr('SYNTAX')],
    ['KEY without a key', 'KEY', true, true, cmdErr('SYNTAX')],
    ['KEY with a malformed key', 'KEY 4567', true, true, cmdErr('SYNTAX')],
    ['RKEY with no key', 'RKEY \0', true, true, cmdErr('SYNTAX')],
    ['SEND without a body', 'SEND', false, true, cmdErr('SYNTAX')],
    ['SEND with unknown flags first', 'SEND X hello', false, true, cmdErr('SYNTAX')],
    ['ACK without an id', 'ACK', true, true, cmdErr('SYNTAX')],
    ['ACK cut short', 'ACK \x18abc', true, true, cmdErr('SYNTAX')],
    ['PING with a parameter', 'PING 1', false, false, cmdErr('SYNTAX')],
    ['DEL with a space', 'DEL ', true, true, cmdErr('SYNTAX')],
  ]
  for (const [name, command, authorised, withEntity, expected] of raw) {
    it(name, async () => {
      const entityId = withEntity ? queue.rcvId : new Uint8Array()
      await expectAnswer({ raw: command, entityId, key: authorised ? queue.rcvKey : undefined }, expected)
    })
  }

  it('missing and surplus credentials', async () => {
    await expectAnswer({ command: create }, cmdErr('NO_AUTH'))
    await expectAnswer({ command: create, key: rcvKey, entityId: queue.rcvId }, cmdErr('HAS_AUTH'))
    await expectAnswer({ command: send('x') }, cmdErr('NO_ENTITY'))
    await expectAnswer({ command: { type: 'LGET' } }, cmdErr('NO_ENTITY'))
    await expectAnswer({ command: { type: 'LGET' }, entityId: queue.rcvId, key }, cmdErr('HAS_AUTH'))
    await expectAnswer({ command: PING, key }, cmdErr('HAS_AUTH'))
    await expectAnswer({ command: PING, entityId: queue.rcvId }, cmdErr('HAS_AUTH'))
    for (const type of ['SUB', 'GET', 'OFF', 'DEL', 'QUE', 'LDEL', 'NDEL', 'NSUB'] as const) {
      await expectAnswer({ command: { type }, entityId: queue.rcvId }, cmdErr('NO_AUTH'))
      await expectAnswer({ command: { type }, key }, cmdErr('NO_AUTH'))
    }
    for (const type of ['KEY', 'SKEY', 'LKEY'] as const) {
      await expectAnswer({ command: { type, sndAuthKey: key.publicKey }, key }, cmdErr('NO_AUTH'))
    }
    await expectAnswer({ command: { type: 'ACK', msgId: new Uint8Array() }, key }, cmdErr('NO_AUTH'))
  })

  it('authenticator of a length that no key has: BLOCK, and the command is named', async () => {
    const [answer] = await client.exchange([
      { command: { type: 'SUB' }, entityId: queue.rcvId, authenticator: new Uint8Array(63) },
    ])
    assert.ok(answer && !answer.ok ? answer.error.type === 'BLOCK' : answer?.message)
  })

  it('the signature of a service outside a service session: SERVICE', async () => {
    const serviceSignature = new Uint8Array(64)
    await expectAnswer(
      { command: { type: 'SUB' }, entityId: queue.rcvId, key: queue.rcvKey, serviceSignature },
      err('SERVICE'),
    )
    await expectAnswer(
      { command: { type: 'SUB' }, entityId: new Uint8Array(24), key: queue.rcvKey, serviceSignature },
      err('AUTH'),
    )
  })

  it('commands of later issues are prohibited', async () => {
    const notifier = { ntfKey: key.publicKey, ntfDhKey: PrivateKey.generate('x25519').publicKey }
    const { rcvId } = queue
    await expectAnswer(
      { command: { type: 'NKEY', notifier }, entityId: rcvId, key: queue.rcvKey },
      cmdErr('PROHIBITED'),
    )
    await expectAnswer({ command: { type: 'NKEY', notifier }, entityId: rcvId, key }, err('AUTH'))
    await expectAnswer({ command: { type: 'NDEL' }, entityId: rcvId, key: queue.rcvKey }, cmdErr('PROHIBITED'))
    for (const type of ['NSUB', 'SUBS', 'NSUBS'] as const) {
      await expectAnswer({ command: { type }, entityId: rcvId, key }, cmdErr('PROHIBITED'))
    }
    const server = { hosts: ['localhost'], port: '', keyHash: new Uint8Array(32) } as const
    await expectAnswer({ command: { type: 'PRXY', server } }, cmdErr('PROHIBITED'))
    await expectAnswer({ command: { type: 'RFWD', encrypted: new Uint8Array(10) } }, cmdErr('PROHIBITED'))
    const pfwd = { type: 'PFWD', version: 18, commandKey: notifier.ntfDhKey, encrypted: new Uint8Array(10) } as const
    await expectAnswer({ command: pfwd, entityId: rcvId }, cmdErr('PROHIBITED'))
  })

  it('makes the queue without a notifier when NEW asks for one', async () => {
    const notifier = { ntfKey: key.publicKey, ntfDhKey: PrivateKey.generate('x25519').publicKey }
    const [ids] = await client.askAll([{ command: { ...create, notifier }, key: rcvKey }])
    assert.ok(ids?.type === 'IDS' && ids.notifier === undefined)
  })

  it('everything refused, the connection goes on', async () => {
    assert.deepEqual(await client.ask(PING), { type: 'PONG' })
    assert.deepEqual(await client.ask(send('fine'), queue.sndId), OK)
  })
})
