import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { DecodeError } from '@parley/core/encoding'
import {
  type BlockConnection,
  connectTls,
  formatSocksProxy,
  isolationCredentials,
  listenTls,
  NetworkError,
  parseSocksProxy,
  socksCredentials,
  type TlsListener,
} from '@parley/core/transport'
import fc from 'fast-check'
import { makeRouter, type TestRouter } from './routers.ts'
import { startSocksProxy } from './socks-proxy.ts'

suite('SOCKS proxy text', () => {
  const cases = [
    ['', { host: '127.0.0.1', port: 9050, auth: 'isolate' }],
    [':1080', { host: '127.0.0.1', port: 1080, auth: 'isolate' }],
    ['10.0.0.1', { host: '10.0.0.1', port: 9050, auth: 'isolate' }],
    ['@10.0.0.1:1', { host: '10.0.0.1', port: 1, auth: 'none' }],
    ['[::1]:1080', { host: '::1', port: 1080, auth: 'isolate' }],
    ['user:pass@127.0.0.1:1080', { host: '127.0.0.1', port: 1080, auth: { username: 'user', password: 'pass' } }],
    ['user:@', { host: '127.0.0.1', port: 9050, auth: { username: 'user', password: '' } }],
  ] as const
  for (const [text, proxy] of cases) {
    test(JSON.stringify(text), () => {
      assert.deepEqual(parseSocksProxy(text), proxy)
      assert.deepEqual(parseSocksProxy(formatSocksProxy(proxy)), proxy)
    })
  }

  test('other text throws DecodeError and nothing else', () => {
    for (const text of ['localhost:1080', '127.0.0.1:0', '127.0.0.1:65536', 'user@127.0.0.1', '[::1', '1.2.3.4:x']) {
      assert.throws(() => parseSocksProxy(text), DecodeError)
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseSocksProxy(text)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })
})

suite('isolation credentials', () => {
  const hashed = (text: string) => createHash('sha256').update(text).digest('base64')

  test('differ by what is given', () => {
    assert.deepEqual(isolationCredentials({ userId: 1 }), { username: hashed('1'), password: '' })
    assert.equal(isolationCredentials({ userId: 1, session: 's' }).username, hashed('1:s'))
    assert.equal(isolationCredentials({ userId: 1, session: 's', server: 'x' }).username, hashed('1:s@x'))
    assert.equal(
      isolationCredentials({ userId: 1, session: 's', server: 'x', entity: 'e' }).username,
      hashed('1:s@x/e'),
    )
  })

  test('the proxy decides which are used', () => {
    const proxy = { host: '127.0.0.1', port: 9050 }
    const given = { username: 'u', password: 'p' }
    assert.equal(socksCredentials({ ...proxy, auth: 'none' }, { userId: 1 }), undefined)
    assert.deepEqual(socksCredentials({ ...proxy, auth: given }, { userId: 1 }), given)
    assert.deepEqual(
      socksCredentials({ ...proxy, auth: 'isolate' }, { userId: 1 }),
      isolationCredentials({ userId: 1 }),
    )
  })
})

suite('connections through a SOCKS proxy', () => {
  let router: TestRouter
  let listener: TlsListener
  before(async () => {
    router = makeRouter('ed25519')
    listener = await listenTls({
      host: '127.0.0.1',
      port: 0,
      certificates: router.certificates,
      onConnection: async (connection) => {
        for (let block = await connection.read(); block; block = await connection.read()) await connection.write(block)
      },
    })
  })
  after(() => listener.close())

  const connect = (proxyPort: number, more: { host?: string; credentials?: { username: string; password: string } }) =>
    connectTls({
      host: more.host ?? '127.0.0.1',
      port: listener.port,
      keyHash: router.keyHash,
      socksProxy: { proxy: { host: '127.0.0.1', port: proxyPort }, credentials: more.credentials },
      timeoutMs: 10_000,
    })

  const echo = async (connection: BlockConnection) => {
    const block = Buffer.alloc(16384, 7)
    await connection.write(block)
    assert.deepEqual(await connection.read(), block)
    connection.close()
    await connection.closed
  }

  test('names are resolved by the proxy, isolation credentials reach it', async () => {
    const proxy = await startSocksProxy(listener.port)
    try {
      await echo(await connect(proxy.port, { host: 'router.onion', credentials: isolationCredentials({ userId: 1 }) }))
      await echo(await connect(proxy.port, {}))
      const { port } = listener
      assert.deepEqual(proxy.requests, [
        { ...isolationCredentials({ userId: 1 }), host: 'router.onion', port },
        { username: undefined, password: undefined, host: '127.0.0.1', port },
      ])
    } finally {
      await proxy.close()
    }
  })

  test('a refusal of the proxy, and no proxy at all, are CONNECT errors', async () => {
    const isConnectError = (error: unknown) => error instanceof NetworkError && error.code === 'CONNECT'
    const proxy = await startSocksProxy('refuse')
    try {
      await assert.rejects(connect(proxy.port, {}), isConnectError)
    } finally {
      await proxy.close()
    }
    await assert.rejects(connect(proxy.port, {}), isConnectError)
  })
})
