import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodeError, EncodeError, encode, toHex } from '@parley/core/encoding'
import {
  formatServerAddress,
  formatSmpServer,
  hostKind,
  isOnionHost,
  isPassword,
  legacySmpServerCodec,
  parseServerAddress,
  parseSmpServer,
  readHost,
  smpServerCodec,
  smpServerPort,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { password, server } from './arbitraries.ts'
import { checkCodec, contextFree, noContext, sameValue, throwsOnlyDecodeError } from './codec-properties.ts'

const HASH = 'LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI='

test('servers round trip in binary', () => {
  checkCodec(contextFree(smpServerCodec), server, noContext)
  checkCodec(contextFree(legacySmpServerCodec), server, noContext, ({ hosts: [first], ...rest }) => ({
    ...rest,
    hosts: [first] as const,
  }))
})

test('addresses round trip as text', () => {
  fc.assert(
    fc.property(
      server,
      fc.option(
        password.filter((text) => text !== ''),
        { nil: undefined },
      ),
      (value, secret) => {
        const expected = { server: value, ...(secret !== undefined && { password: secret }) }
        sameValue(parseSmpServer(formatSmpServer(value, secret)), expected)
      },
    ),
  )
})

test('any text is an address or gives DecodeError', () => {
  const part = fc.constantFrom(
    'smp',
    'xftp',
    '://',
    HASH,
    ':',
    '@',
    ',',
    '[::1]',
    '::1',
    'host',
    '127.0.0.1',
    '5223',
    '',
  )
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(part, fc.string({ maxLength: 3 }))).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => throwsOnlyDecodeError(() => parseServerAddress(text))),
    { numRuns: 1000 },
  )
})

test('addresses of the field', () => {
  const text = `smp://${HASH}:pass_word@smp8.simplex.im,beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion:443`
  const { server: value, password: secret } = parseSmpServer(text)
  assert.equal(value.hosts.length, 2)
  assert.deepEqual(value.hosts.map(hostKind), ['domain', 'onion'])
  assert.equal(value.port, '443')
  assert.equal(secret, 'pass_word')
  assert.equal(formatSmpServer(value, secret), text)
  assert.equal(smpServerPort(value), 443)
  assert.equal(smpServerPort({ ...value, port: '' }), 5223)
})

test('padding of the hash is optional, the port is decimal', () => {
  const { server: value } = parseSmpServer(`smp://${HASH.replace('=', '')}@localhost:05223`)
  assert.equal(formatSmpServer(value), `smp://${HASH}@localhost:5223`)
})

test('IPv6 hosts', () => {
  const bracketed = `smp://${HASH}@[2001:DB8:0::1]:5223`
  const { server: value } = parseSmpServer(bracketed)
  assert.deepEqual(value, { ...value, hosts: ['2001:db8::1'], port: '5223' })
  assert.equal(formatSmpServer(value), `smp://${HASH}@[2001:db8::1]:5223`)
  const bare = { scheme: 'xftp', server: { ...value, port: '' } } as const
  assert.equal(formatServerAddress('xftp', bare, { bareIpv6: true }), `xftp://${HASH}@2001:db8::1`)
  assert.deepEqual(parseServerAddress(`xftp://${HASH}@2001:db8::1`).server.hosts, ['2001:db8::1'])
})

test('what is no address', () => {
  for (const text of [
    '',
    'smp://',
    `http://${HASH}@host`,
    `smp://${HASH}`,
    `smp://${HASH}@`,
    'smp://@host',
    'smp://a@host',
    `smp://${HASH}:@host`,
    `smp://${HASH}:a b@host`,
    `smp://${HASH}@host:`,
    `smp://${HASH}@host:70000`,
    `smp://${HASH}@host:5x`,
    `smp://${HASH}@host,`,
    `smp://${HASH}@host;other`,
    `smp://${HASH}@UPPER.onion`,
    `smp://${HASH}@1.2.3.256`,
    `smp://${HASH}@[::g]`,
    `smp://${HASH}@[host]`,
    `smp://${HASH}@host/path`,
  ]) {
    assert.throws(() => parseSmpServer(text), DecodeError, text)
  }
  assert.throws(() => parseSmpServer(`xftp://${HASH}@host`), DecodeError)
})

test('the offset of an error is that of the faulty part', () => {
  const start = `smp://${HASH}@`
  const offsetOf = (text: string): number => {
    try {
      parseSmpServer(text)
    } catch (error) {
      if (error instanceof DecodeError) return error.offset
    }
    return -1
  }
  assert.equal(offsetOf(`${start}host,1.2.3.999`), start.length + 5)
  assert.equal(offsetOf(`${start}host:99999`), start.length + 4)
})

test('hosts', () => {
  assert.equal(readHost('010.0.0.1'), '10.0.0.1')
  assert.equal(readHost('[::FFFF:1.2.3.4]'), '::ffff:1.2.3.4')
  assert.equal(readHost('example.org'), 'example.org')
  for (const text of ['', 'a b', 'a,b', 'a:b', 'X.onion', '300.1.1.1', '[1.2.3.4]', 'h'.repeat(256)]) {
    assert.equal(readHost(text), undefined, text)
  }
  assert.equal(hostKind('::1'), 'ipv6')
  assert.equal(hostKind('1.2.3.4'), 'ipv4')
  assert.equal(isOnionHost('abc.onion'), true)
  assert.equal(isOnionHost('abc.org'), false)
  assert.throws(() => hostKind('a b'), TypeError)
})

test('values that no address can hold are not encoded', () => {
  const value = { hosts: ['host'], port: '', keyHash: new Uint8Array(32) } as const
  assert.equal(toHex(encode(smpServerCodec, value)).slice(0, 14), '0104686f737400')
  for (const wrong of [{ hosts: ['a b'] }, { port: 'http' }, { port: '70000' }]) {
    assert.throws(() => encode(smpServerCodec, { ...value, ...wrong } as never), EncodeError)
  }
  assert.throws(() => formatSmpServer(value, 'a@b'), EncodeError)
  assert.throws(() => formatSmpServer(value, ''), EncodeError)
  assert.equal(isPassword('x'.repeat(256)), false)
})
