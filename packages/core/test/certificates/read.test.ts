import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createRouterCertificates, fromPem, readCertificate, toPem } from '@parley/core/certificates'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { DerReader, der, derObjectIdentifier, derSequence, TAG } from '../../src/certificates/der.ts'
import { derTime, readTime } from '../../src/certificates/time.ts'
import { makeChain } from './authorities.ts'

const { serverCertificate, identityCertificate } = createRouterCertificates({ algorithm: 'ed25519', commonName: 'a' })

/** Runs a decoder that may refuse, but only with a DecodeError. */
function onlyDecodeErrors(run: () => void): void {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error))
  }
}

/** Bytes with some of them changed, left out or doubled. */
function mutated(bytes: Uint8Array) {
  return fc
    .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(2), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const result = [...bytes]
      for (const [at, kind, value] of changes) result.splice(at, kind === 0 ? 0 : 1, ...(kind === 1 ? [] : [value]))
      return Uint8Array.from(result)
    })
}

describe('readCertificate', () => {
  it('throws only DecodeError for changed certificates', () => {
    fc.assert(
      fc.property(fc.oneof(mutated(serverCertificate), mutated(identityCertificate)), (bytes) =>
        onlyDecodeErrors(() => readCertificate(bytes)),
      ),
      { numRuns: 2000 },
    )
  })

  it('throws DecodeError for arbitrary bytes and for every cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.throws(() => readCertificate(bytes), DecodeError)
      }),
    )
    for (let length = 0; length < serverCertificate.length; length++) {
      assert.throws(() => readCertificate(serverCertificate.subarray(0, length)), DecodeError)
    }
  })

  it('refuses bytes after the end, and an extension that stands twice', () => {
    assert.throws(() => readCertificate(Uint8Array.of(...serverCertificate, 0)), DecodeError)
    const [first] = makeChain(2).chain
    assert.ok(first)
    const list = extensionsOf(first)
    assert.throws(() => readCertificate(makeTwice(list)), { name: 'DecodeError', reason: 'extension twice' })
  })
})

/** The extensions of a made certificate, each as DER. */
function extensionsOf(certificate: Uint8Array): Uint8Array[] {
  const body = new DerReader(certificate).enter(TAG.sequence).enter(TAG.sequence)
  while (!body.isNext(TAG.context(3))) body.next()
  const list = body.enter(TAG.context(3)).enter(TAG.sequence)
  const extensions: Uint8Array[] = []
  while (!list.isAtEnd) extensions.push(list.next().bytes)
  return extensions
}

function makeTwice(extensions: Uint8Array[]): Uint8Array {
  return makeChain(2, { 0: { extensions } }).chain[0] as Uint8Array
}

describe('DER', () => {
  it('reads what it writes, whatever the length', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
      const content = new Uint8Array(length).fill(7)
      const reader = new DerReader(der(TAG.octetString, content))
      assert.deepEqual(new Uint8Array(reader.next(TAG.octetString).content), content)
      reader.expectEnd()
    }
  })

  it('reads object identifiers that it writes', () => {
    const arcs = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 6 })
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), arcs, (root, second, rest) => {
        const dotted = [root, second, ...rest].join('.')
        assert.equal(new DerReader(derObjectIdentifier(dotted)).objectIdentifier(), dotted)
      }),
    )
  })

  it('refuses lengths that are indefinite, not minimal or too long', () => {
    const cases = ['3080', '30810100', '3082000100', '308480000000', '30850000000001', '3002aa', '30', '1f8100']
    for (const hex of cases) assert.throws(() => new DerReader(Buffer.from(hex, 'hex')).next(), DecodeError, hex)
  })

  it('refuses malformed primitive values', () => {
    const read = (hex: string) => new DerReader(Buffer.from(hex, 'hex'))
    for (const hex of ['0600', '06028001', '060180', '0609ffffffffffffffffff']) {
      assert.throws(() => read(hex).objectIdentifier(), DecodeError, hex)
    }
    for (const hex of ['0100', '010101', '01020000']) assert.throws(() => read(hex).boolean(), DecodeError, hex)
    for (const hex of ['0200', '020180', '02020001', '02050100000000']) {
      assert.throws(() => read(hex).smallInteger(), DecodeError, hex)
    }
    for (const hex of ['0300', '03020180']) assert.throws(() => read(hex).bitStringBytes(), DecodeError, hex)
    assert.equal(read('02020080').smallInteger(), 128)
  })

  it('reads times that it writes and refuses those that are none', () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 })
    fc.assert(
      fc.property(seconds, (time) => {
        const date = new Date(time * 1000)
        assert.equal(readTime(new DerReader(derTime(date))).getTime(), date.getTime())
      }),
    )
    const none = ['20260229000000Z', '20261301000000Z', '20260101240000Z', '20260101006000Z', '20260101000000', '0']
    for (const text of none) {
      assert.throws(() => readTime(new DerReader(der(TAG.generalizedTime, Buffer.from(text)))), DecodeError, text)
    }
    assert.throws(() => readTime(new DerReader(derSequence())), DecodeError)
  })
})

describe('PEM', () => {
  it('reads what it writes', () => {
    const values = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(values, (list) => {
        assert.deepEqual(fromPem('PRIVATE KEY', toPem('PRIVATE KEY', ...list)), list)
      }),
    )
  })

  it('refuses text without what was asked for, and what is no base64', () => {
    const pem = toPem('CERTIFICATE', serverCertificate)
    assert.throws(() => fromPem('PRIVATE KEY', pem), DecodeError)
    assert.throws(() => fromPem('CERTIFICATE', ''), DecodeError)
    assert.throws(() => fromPem('CERTIFICATE', pem.replace('END', 'EN')), DecodeError)
    assert.throws(
      () => fromPem('CERTIFICATE', '-----BEGIN CERTIFICATE-----\nAB=C\n-----END CERTIFICATE-----'),
      DecodeError,
    )
    fc.assert(fc.property(fc.string(), (text) => onlyDecodeErrors(() => fromPem('CERTIFICATE', text))))
  })
})
