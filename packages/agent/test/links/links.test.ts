import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type ContactShortLink,
  formatConnectionRequest,
  formatShortLink,
  formatSimplexName,
  parseConnectionLink,
  parseConnectionRequest,
  parseShortLink,
  parseSimplexName,
  restoreShortLink,
  sameContactAddress,
  sameContactLink,
  shortenShortLink,
} from '@parley/agent/links'
import { DecodeError, toHex } from '@parley/core/encoding'
import type { SmpServer } from '@parley/smp/protocol'
import fc from 'fast-check'
import { onlyDecodeError, sameValue } from './codec-checks.ts'

const QUEUE =
  'smp%3A%2F%2F1234-w%3D%3D%40a.org%2F3456-w%3D%3D%23%2F%3Fv%3D4%26dh%3DMCowBQYDK2VuAyEAjiswwI3O_NlS8Fk3HJUW870EY2bAwmttMBsvRB9eV3o%253D%26q%3Dc'

describe('a connection request', () => {
  const contact = `simplex:/contact#/?v=2-7&smp=${QUEUE}`

  it('is read with both schemes and written with the one that is asked for', () => {
    const request = parseConnectionRequest(contact)
    assert.equal(formatConnectionRequest(request), contact)
    const site = `https://parley.example:8443${contact.slice('simplex:'.length)}`
    sameValue(parseConnectionRequest(site), request)
    assert.equal(formatConnectionRequest(request, 'https://parley.example:8443'), site)
    sameValue(parseConnectionRequest(contact.replace('contact#', 'contact/#')), request)
  })

  it('to a contact address speaks at least version 2 when it is old', () => {
    const versions = (v: string) => parseConnectionRequest(contact.replace('v=2-7', `v=${v}`)).agentVersions
    assert.deepEqual(versions('1-5'), { min: 2, max: 5 })
    assert.deepEqual(versions('1'), { min: 2, max: 2 })
    assert.deepEqual(versions('3-9'), { min: 3, max: 9 })
  })

  it('may have several queues and data of the application', () => {
    const request = parseConnectionRequest(`${contact}%3B${QUEUE}&data=%7B%22a%22%3A%22%C3%A9+%22%7D`)
    assert.equal(request.queues.length, 2)
    assert.equal(request.clientData, '{"a":"é "}')
    assert.equal(formatConnectionRequest(request).split('&data=')[1], '%7B%22a%22%3A%22%C3%A9%20%22%7D')
  })

  it('is refused where it is wrong', () => {
    for (const [text, offset] of [
      ['', 0],
      ['simplex:/other#/?v=2', 0],
      ['https:///contact#/?v=2', 0],
      ['simplex:/contact#/?v=2', 19],
      [`simplex:/contact#/?v=x&smp=${QUEUE}`, 21],
      ['simplex:/contact#/?v=2&smp=smp', 27],
      [`simplex:/invitation#/?v=2&smp=${QUEUE}`, 22],
      [`simplex:/contact#/?v=2&smp=${QUEUE} `, 27 + QUEUE.length],
    ] as const) {
      assert.throws(
        () => parseConnectionRequest(text),
        (error) => error instanceof DecodeError && assert.equal(error.offset, offset, text) === undefined,
      )
    }
  })

  it('leads to the same address as another with the same queues', () => {
    const [a, b] = [parseConnectionRequest(contact), parseConnectionRequest(`${contact}%3B${QUEUE}`)]
    assert.ok(a.mode === 'contact' && b.mode === 'contact')
    assert.ok(sameContactAddress(a, { ...a, agentVersions: { min: 3, max: 3 } }))
    assert.ok(!sameContactAddress(a, b))
  })
})

describe('a link of either kind', () => {
  it('is told by its text', () => {
    assert.equal(parseConnectionLink(`https://a.org/contact#/?v=2-7&smp=${QUEUE}`).type, 'full')
    assert.equal(parseConnectionLink('https://a.org/c#AAAA').type, 'short')
    assert.equal(parseConnectionLink('simplex:/i#AAAA/AAAA?h=a.org').type, 'short')
    for (const text of ['', 'hello', 'http://a.org/c#AAAA', 'simplex:/name#a.simplex']) {
      assert.throws(() => parseConnectionLink(text), DecodeError)
    }
  })
})

describe('a short link', () => {
  it('is read in every form', () => {
    const link = parseShortLink('https://a.org/i/#bGxs/a2tr?h=b.org,c.org&p=0443&c=1234-w==')
    assert.ok(link.mode === 'invitation')
    assert.equal(toHex(link.linkId), '6c6c6c')
    assert.equal(toHex(link.linkKey), '6b6b6b')
    assert.deepEqual(link.server.hosts, ['a.org', 'b.org', 'c.org'])
    assert.equal(link.server.port, '443')
    assert.equal(formatShortLink(link), 'https://a.org/i#bGxs/a2tr?h=b.org%2Cc.org&p=443&c=1234-w')
    assert.equal(
      formatShortLink({ ...link, scheme: 'simplex' }),
      'simplex:/i#bGxs/a2tr?h=a.org%2Cb.org%2Cc.org&p=443&c=1234-w',
    )
  })

  for (const [char, contactType] of [
    ['a', 'contact'],
    ['c', 'channel'],
    ['g', 'group'],
    ['r', 'relay'],
  ] as const) {
    it(`of type ${char} leads to a ${contactType}`, () => {
      const link = parseShortLink(`https://a.org/${char}#a2tr`)
      assert.ok(link.mode === 'contact')
      assert.equal(link.contactType, contactType)
      assert.deepEqual(link.server, { hosts: ['a.org'], port: '', keyHash: new Uint8Array() })
      assert.equal(formatShortLink(link), `https://a.org/${char}#a2tr`)
    })
  }

  it('is refused when a part is missing or wrong', () => {
    for (const text of [
      '',
      'simplex:/a#a2tr',
      'simplex:/a#a2tr?p=1',
      'https://a.org/a',
      'https://a.org/a#',
      'https://a.org/x#a2tr',
      'https://a.org/ab#a2tr',
      'https://a.org/I#bGxs/a2tr',
      'https://a.org/i#a2tr',
      'https://a.org/i#/a2tr',
      'https://a b/a#a2tr',
      'https://a.org/a#a2tr?p=65536',
      'https://a.org/a#a2tr?p=',
      'https://a.org/a#a2tr?c=',
    ]) {
      assert.throws(() => parseShortLink(text), DecodeError, text)
    }
  })

  const presets: SmpServer[] = [
    { hosts: ['a.org', 'a.onion'], port: '', keyHash: new Uint8Array(32).fill(1) },
    { hosts: ['b.org'], port: '443', keyHash: new Uint8Array(32).fill(2) },
  ]
  const linkTo = (server: SmpServer): ContactShortLink => ({
    mode: 'contact',
    scheme: 'https',
    contactType: 'contact',
    server,
    linkKey: new Uint8Array(32),
  })

  it('of a preset server is shortened to its host and restored', () => {
    for (const server of presets) {
      const short = shortenShortLink(linkTo(server), presets)
      assert.deepEqual(short.server, { hosts: [server.hosts[0]], port: '', keyHash: new Uint8Array() })
      sameValue(restoreShortLink(short, presets), linkTo(server))
    }
    const [a, b] = presets
    assert.ok(a && b)
    for (const port of ['443', '5223']) assert.equal(shortenShortLink(linkTo({ ...a, port }), presets).server.port, '')
    for (const other of [
      { ...a, port: '1' },
      { ...b, port: '' },
      { ...a, hosts: ['a.org', 'other.onion'] as const },
      { ...a, keyHash: new Uint8Array(32) },
      { ...a, hosts: ['c.org'] as const },
    ]) {
      const link = linkTo(other)
      assert.equal(shortenShortLink(link, presets), link)
      assert.equal(restoreShortLink(link, presets), link)
    }
  })

  it('leads to the same contact as another of the same server, type and key', () => {
    const link = linkTo({ hosts: ['a.org'], port: '', keyHash: new Uint8Array(32) })
    assert.ok(sameContactLink(link, { ...link, scheme: 'simplex' }))
    assert.ok(!sameContactLink(link, { ...link, contactType: 'group' }))
    assert.ok(!sameContactLink(link, { ...link, linkKey: new Uint8Array(31) }))
  })
})

describe('a name', () => {
  for (const [text, whole] of [
    ['#parley', 'simplex:/name#parley.simplex'],
    ['parley', 'simplex:/name#parley.simplex'],
    ['simplex:/name#parley.simplex', 'simplex:/name#parley.simplex'],
    ['@alice.simplex', 'simplex:/name@alice.simplex'],
    ['a.b.alice-1.testing', 'simplex:/name#a.b.alice-1.testing'],
    ['@alice.example.org', 'simplex:/name@alice.example.org'],
  ] as const) {
    it(`${text} is ${whole}`, () => {
      assert.equal(formatSimplexName(parseSimplexName(text)), whole)
      sameValue(parseSimplexName(whole), parseSimplexName(text))
    })
  }

  it('has its labels in order', () => {
    const name = parseSimplexName('@a.b.alice.simplex')
    sameValue(name, { nameType: 'contact', tld: 'simplex', domain: 'alice', subDomain: ['b', 'a'] })
    sameValue(parseSimplexName('#alice.org'), {
      nameType: 'publicGroup',
      tld: 'web',
      domain: 'alice.org',
      subDomain: [],
    })
  })

  it('is refused when it is none', () => {
    for (const text of ['', '#', '@alice', 'a..b', '.a', 'a b', '-a', 'a-', 'a--b', 'é', 'simplex:/name', '#a@b']) {
      assert.throws(() => parseSimplexName(text), DecodeError, text)
    }
    fc.assert(fc.property(fc.string(), (text) => onlyDecodeError(text.length, () => parseSimplexName(text))))
  })
})
