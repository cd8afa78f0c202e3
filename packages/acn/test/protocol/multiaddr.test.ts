import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { announcedAddress, formatPeerAddress, parseHostPort, parsePeerAddress } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'

const PEER = '16Uiu2HAmHy7ePnGDjXfh32NbhkM1SUTerfxzXemguYhqxFtc8MRR'

describe('multiaddrs of peers', () => {
  test('read and written back', () => {
    for (const text of [
      `/dns4/127.0.0.1/tcp/31001/p2p/${PEER}`,
      '/dns4/acn.example.org/tcp/9000',
      `/ip4/10.0.0.1/tcp/1/p2p/${PEER}`,
      `/ip6/::1/tcp/65535/p2p/${PEER}`,
      '/dns/a/tcp/80',
    ]) {
      assert.equal(formatPeerAddress(parsePeerAddress(text)), text)
    }
  })

  test('the older name of the peer part is understood', () => {
    assert.equal(parsePeerAddress(`/dns4/h/tcp/1/ipfs/${PEER}`).peerId, PEER)
  })

  test('announced is always /dns4/', () => {
    assert.equal(announcedAddress({ host: '127.0.0.1', port: 9 }, PEER), `/dns4/127.0.0.1/tcp/9/p2p/${PEER}`)
  })

  test('others are refused', () => {
    for (const text of [
      '',
      '/',
      'dns4/h/tcp/1',
      '/ip4/host/tcp/1',
      '/ip6/127.0.0.1/tcp/1',
      '/dns4//tcp/1',
      '/dns4/h/udp/1',
      '/dns4/h/tcp/0',
      '/dns4/h/tcp/65536',
      '/dns4/h/tcp/1/p2p',
      '/dns4/h/tcp/1/p2p/',
      '/dns4/h/tcp/1/p2p/notapeer',
      `/dns4/h/tcp/1/p2p/${PEER}/p2p-circuit`,
    ]) {
      assert.throws(() => parsePeerAddress(text), DecodeError, text)
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parsePeerAddress(text)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })
})

describe('host and port', () => {
  test('read', () => {
    assert.deepEqual(parseHostPort('127.0.0.1:9000'), { host: '127.0.0.1', port: 9000 })
    assert.deepEqual(parseHostPort('acn.example.org:0'), { host: 'acn.example.org', port: 0 })
    assert.deepEqual(parseHostPort('[::1]:9'), { host: '::1', port: 9 })
  })

  test('refused', () => {
    for (const text of ['', ':1', 'host', 'host:', 'host:70000', 'host:-1', 'host:1x', '::1:9', '[host]:1', 'a b:1']) {
      assert.throws(() => parseHostPort(text), DecodeError, text)
    }
  })
})
