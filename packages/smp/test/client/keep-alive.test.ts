import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { type KeepAlive, SmpClient, type SmpClientOptions } from '@parley/smp/client'
import { Responder, type ResponderSession } from './responder.ts'

const queue = { rcvId: randomBytes(24), key: PrivateKey.generate('ed25519') }

async function subscribedClient(keepAlive: KeepAlive, options: SmpClientOptions = {}) {
  const responder = await Responder.start()
  const client = await SmpClient.connect(responder.server, {
    keepAlive,
    requestTimeouts: { background: 30, interactive: 30 },
    ...options,
  })
  const session = await responder.accept()
  await subscribe(client, session)
  return {
    client,
    session,
    async [Symbol.asyncDispose]() {
      client.close()
      await responder[Symbol.asyncDispose]()
      await client.closed
    },
  }
}

async function subscribe(client: SmpClient, session: ResponderSession): Promise<void> {
  const subscribed = client.subscribe(queue, { timeoutMs: 10_000 })
  await session.answer(await session.receiveOne(), { type: 'OK' })
  await subscribed
}

suite('keep-alive', () => {
  test('a silent connection with subscriptions is pinged, again and again', async () => {
    await using connection = await subscribedClient({ interval: 40, maxTimeouts: 3, recoverWindow: 60_000 })
    for (let i = 0; i < 4; i++) {
      const command = await connection.session.receiveOne()
      assert.equal(command.message.type, 'PING')
      await connection.session.answer(command, { type: 'PONG' })
    }
    assert.equal(connection.client.isClosed, false)
  })

  test('a router that no longer answers is dropped after so many timeouts and so much silence', async () => {
    const startedAt = performance.now()
    await using connection = await subscribedClient({ interval: 20, maxTimeouts: 3, recoverWindow: 150 })
    const { client, session } = connection
    let pings = 0
    const readPings = async () => {
      for (;;) {
        assert.equal((await session.receiveOne()).message.type, 'PING')
        pings++
      }
    }
    await assert.rejects(readPings, /client closed/)
    await client.closed
    assert.ok(performance.now() - startedAt >= 150)
    assert.ok(pings >= 3, `${pings} pings`)
    assert.equal(client.error?.code, 'TIMEOUT')
  })

  test('any block received starts the count anew', async () => {
    await using connection = await subscribedClient(
      { interval: 15, maxTimeouts: 2, recoverWindow: 0 },
      { requestTimeouts: { background: 250, interactive: 250 } },
    )
    const { client, session } = connection
    for (let i = 0; i < 3; i++) {
      // The ping is not answered, but an event shows that the router lives.
      await session.receiveOne()
      await session.push(randomBytes(24), { type: 'END' })
      assert.equal(client.isClosed, false)
    }
    await client.closed
    assert.equal(client.error?.code, 'TIMEOUT')
  })

  test('without subscriptions nothing is sent', async () => {
    await using responder = await Responder.start()
    const client = await SmpClient.connect(responder.server, {
      keepAlive: { interval: 5, maxTimeouts: 3, recoverWindow: 60_000 },
    })
    const session = await responder.accept()
    // Twenty intervals pass before the only command of this test.
    await new Promise((resolve) => setTimeout(resolve, 100))
    await subscribe(client, session)
    client.close()
    await client.closed
  })
})
