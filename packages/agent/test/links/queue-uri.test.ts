import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatQueueUri, parseQueueUri, sameQueue, smpQueueInfoCodec, smpQueueInfoOf } from '@parley/agent/links'
import { DecodeError, decode, encode, toHex } from '@parley/core/encoding'

const DH = 'MCowBQYDK2VuAyEAjiswwI3O_NlS8Fk3HJUW870EY2bAwmttMBsvRB9eV3o'
const ONION = 'jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion'
const EXAMPLE = `smp://1234-w==@smp.simplex.im:5223/3456-w==#/?v=1-4&dh=${DH}%3D&q=m&k=s&srv=${ONION}`

function refusedAt(text: string, offset: number): void {
  assert.throws(
    () => parseQueueUri(text),
    (error) => {
      assert.ok(error instanceof DecodeError)
      assert.equal(error.offset, offset, error.message)
      return true
    },
  )
}

describe('a queue uri', () => {
  it('of the specification is read and written', () => {
    const queue = parseQueueUri(EXAMPLE)
    assert.deepEqual(queue.server.hosts, ['smp.simplex.im', ONION])
    assert.equal(queue.server.port, '5223')
    assert.equal(toHex(queue.server.keyHash), 'd76df8fb')
    assert.equal(toHex(queue.senderId), 'df8e7afb')
    assert.deepEqual(queue.versions, { min: 1, max: 4 })
    assert.equal(queue.mode, 'messaging')
    assert.equal(formatQueueUri(queue), EXAMPLE)
  })

  it('has all hosts before the path from version 2', () => {
    const queue = { ...parseQueueUri(EXAMPLE), versions: { min: 2, max: 4 } }
    const text = `smp://1234-w==@smp.simplex.im,${ONION}:5223/3456-w==#/?v=2-4&dh=${DH}%3D&q=m&k=s`
    assert.equal(formatQueueUri(queue), text)
    assert.deepEqual(parseQueueUri(text).server.hosts, queue.server.hosts)
  })

  it('says k=s only below version 4, and only of messaging queues', () => {
    const queue = parseQueueUri(EXAMPLE)
    const tail = (change: Partial<typeof queue>) => formatQueueUri({ ...queue, ...change }).split('%3D')[1]
    assert.equal(tail({ versions: { min: 4, max: 4 } }), '&q=m')
    assert.equal(tail({ versions: { min: 3, max: 4 } }), '&q=m&k=s')
    assert.equal(tail({ versions: { min: 3, max: 4 }, mode: 'contact' }), '&q=c')
  })

  for (const [name, text] of [
    ['without the slash after the id', `smp://1234-w==@smp.simplex.im:5223/3456-w==#?v=1-4&dh=${DH}=`],
    ['with a slash before the hash', `smp://1234-w==@smp.simplex.im:5223/3456-w==/#/?v=1-4&dh=${DH}=`],
    ['with the key after the hash', `smp://1234-w==@smp.simplex.im:5223/3456-w==#${DH}=/?v=1-4`],
    ['without padding', `smp://1234-w@smp.simplex.im:5223/3456-w#/?v=1-4&dh=${DH}`],
    ['with unknown parameters', `smp://1234-w==@smp.simplex.im:5223/3456-w==#/?x=1&v=1-4&y&dh=${DH}=&q=z`],
    [
      'with several of one name, of which the first counts',
      `smp://1234-w==@smp.simplex.im:5223/3456-w==#/?v=1-4&v=2&dh=${DH}%3d&dh=x`,
    ],
  ] as const) {
    it(`is read ${name}`, () => {
      const queue = parseQueueUri(text)
      assert.equal(formatQueueUri(queue), `smp://1234-w==@smp.simplex.im:5223/3456-w==#/?v=1-4&dh=${DH}%3D`)
    })
  }

  it('of the first version has the key alone after the hash, and gets the known onion host', () => {
    const queue = parseQueueUri(`smp://1234-w==@smp5.simplex.im/3456-w==#${DH}=`)
    assert.deepEqual(queue.versions, { min: 1, max: 1 })
    assert.deepEqual(queue.server.hosts, ['smp5.simplex.im', ONION])
    assert.equal(queue.mode, undefined)
    const info = decode(smpQueueInfoCodec, encode(smpQueueInfoCodec, smpQueueInfoOf(queue, 1)))
    assert.deepEqual(info.server.hosts, ['smp5.simplex.im', ONION])
  })

  it('means a messaging queue when only k=s is said', () => {
    assert.equal(parseQueueUri(`smp://1234-w==@a.org/3456-w==#/?v=3&dh=${DH}&k=s`).mode, 'messaging')
  })

  it('is refused where it is wrong', () => {
    refusedAt('', 0)
    refusedAt('xftp://1234-w==@a.org/3456-w==#', 0)
    refusedAt('smp://1234-w==@a.org', 20)
    refusedAt(`smp://1234-w==:password@a.org/3456-w==#/?v=1&dh=${DH}`, 0)
    refusedAt(`smp://1234-w==@a.org/%%#/?v=1&dh=${DH}`, 21)
    refusedAt(`smp://1234-w==@a.org/#/?v=1&dh=${DH}`, 21)
    refusedAt(`smp://1234-w==@a.org/3456-w==#/?v=4-1&dh=${DH}`, 34)
    refusedAt(`smp://1234-w==@a.org/3456-w==#/?v=1`, 32)
    refusedAt('smp://1234-w==@a.org/3456-w==#/?v=1&dh=AAAA', 39)
    refusedAt(`smp://1234-w==@a.org/3456-w==#/?v=1&dh=${DH} `, 98)
    refusedAt(`smp://1234-w==@a.org/3456-w==#/?v=1&dh=${DH}&srv=a.b,:`, 107)
  })

  it('names a queue by its hosts, port and id', () => {
    const queue = parseQueueUri(EXAMPLE)
    const { server } = queue
    assert.ok(sameQueue(queue, { ...queue, server: { ...server, keyHash: new Uint8Array(32) } }))
    assert.ok(!sameQueue(queue, { ...queue, server: { ...server, port: '443' } }))
    assert.ok(!sameQueue(queue, { ...queue, server: { ...server, hosts: [server.hosts[0]] } }))
    assert.ok(!sameQueue(queue, { ...queue, senderId: new Uint8Array(4) }))
  })
})
