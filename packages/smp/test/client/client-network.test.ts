import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { isolationCredentials, parseSocksProxy } from '@parley/core/transport'
import { type NetworkOptions, SmpClient, SmpClientError } from '@parley/smp/client'
import type { SmpServer } from '@parley/smp/protocol'
import { startSocksProxy } from '../../../core/test/transport/socks-proxy.ts'
import { Responder } from './responder.ts'

const ONION = 'beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion'

const isCode = (code: string) => (error: unknown) => error instanceof SmpClientError && error.code === code

suite('how a server is reached', () => {
  const cases: readonly {
    readonly name: string
    readonly hosts: SmpServer['hosts']
    readonly network: Omit<NetworkOptions, 'socksProxy'>
    readonly auth: string
    readonly request: { readonly host: string; readonly username?: string; readonly password?: string } | undefined
  }[] = [
    {
      name: 'the onion host through the proxy, isolated',
      hosts: ['127.0.0.1', ONION],
      network: { isolation: { userId: 1, session: 'a' } },
      auth: '',
      request: { host: ONION, ...isolationCredentials({ userId: 1, session: 'a' }) },
    },
    {
      name: 'the public host through the proxy, with its own credentials',
      hosts: ['localhost'],
      network: { hostMode: 'public', isolation: { userId: 1 } },
      auth: 'user:pass@',
      request: { host: 'localhost', username: 'user', password: 'pass' },
    },
    {
      name: 'no credentials when the proxy wants none',
      hosts: [ONION],
      network: { isolation: { userId: 1 } },
      auth: '@',
      request: { host: ONION },
    },
    {
      name: 'public hosts directly when the proxy is for onion hosts only',
      hosts: ['127.0.0.1', ONION],
      network: { hostMode: 'public', socksMode: 'onion' },
      auth: '',
      request: undefined,
    },
  ]
  for (const { name, hosts, network, auth, request } of cases) {
    test(name, async () => {
      await using responder = await Responder.start()
      const port = Number(responder.server.port)
      const proxy = await startSocksProxy(port)
      try {
        const client = await SmpClient.connect(
          { ...responder.server, hosts },
          { network: { ...network, socksProxy: parseSocksProxy(`${auth}127.0.0.1:${proxy.port}`) } },
        )
        const session = await responder.accept()
        const pinged = client.ping()
        await session.answer(await session.receiveOne(), { type: 'PONG' })
        await pinged
        client.close()
        await client.closed
        const expected = request && { username: undefined, password: undefined, ...request, port }
        assert.deepEqual(proxy.requests, expected ? [expected] : [])
      } finally {
        await proxy.close()
      }
    })
  }

  for (const [webPort, port, alpn] of [
    [false, 5223, 'smp/1'],
    [true, 443, 'http/1.1'],
  ] as const) {
    test(`a server without a port is at ${port}, offering ${alpn}`, async () => {
      await using responder = await Responder.start()
      const proxy = await startSocksProxy(Number(responder.server.port))
      try {
        const client = await SmpClient.connect(
          { ...responder.server, port: '' },
          { network: { webPort, hostMode: 'public', socksProxy: parseSocksProxy(`@127.0.0.1:${proxy.port}`) } },
        )
        const { connection, version } = await responder.accept()
        assert.equal(proxy.requests[0]?.port, port)
        assert.equal(connection.alpn, alpn)
        assert.equal(version, 18)
        client.close()
        await client.closed
      } finally {
        await proxy.close()
      }
    })
  }

  test('a required kind of host that the server does not have is INCOMPATIBLE_HOST', async () => {
    const server: SmpServer = { hosts: ['127.0.0.1'], port: '1', keyHash: randomBytes(32) }
    await assert.rejects(
      SmpClient.connect(server, { network: { hostMode: 'onion', requiredHostMode: true } }),
      isCode('INCOMPATIBLE_HOST'),
    )
  })

  test('nobody listens: NETWORK CONNECT', async () => {
    const responder = await Responder.start()
    await responder[Symbol.asyncDispose]()
    await assert.rejects(SmpClient.connect(responder.server), isCode('NETWORK'))
  })
})
