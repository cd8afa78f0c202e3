import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { inspectionJson } from '../../src/inspect/json.ts'
import { INSPECTION_KINDS, inspectionKind } from '../../src/inspect/kinds.ts'

type Entry = Readonly<Record<string, unknown>>

const vectors = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`../../../../test/vectors/${file}`, import.meta.url), 'utf8'))

const list = (value: unknown): Entry[] => value as Entry[]

function inspect(kind: string, input: string, version = inspectionKind(kind)?.versions?.max ?? 0) {
  const found = inspectionKind(kind)
  assert.ok(found)
  return found.inspect(input, version)
}

const hexOf = (text: unknown, notation: BufferEncoding) => Buffer.from(text as string, 'hex').toString(notation)

describe('parley inspect, with the vectors of the originals', () => {
  const uris = vectors('sx-uris.json')

  test('addresses, queue URIs and key agreement parameters are re-encoded as they were, text and binary', () => {
    const kinds = { servers: 'server-address', queueUris: 'queue-uri', e2eParams: 'e2e-params' }
    for (const [section, kind] of Object.entries(kinds)) {
      for (const entry of list(uris[section])) {
        // Addresses with a password have no binary form.
        if (entry.smp)
          assert.equal(inspect(kind, entry.smp as string).reencode(), entry.smp, `${section} ${entry.what}`)
        // Parameters of one version have no text form.
        const text = (entry.uri ?? entry.str) as string | undefined
        if (text === undefined) continue
        const fromText = inspect(kind, text)
        // Text may be written in several ways; writing it canonically twice changes nothing.
        assert.equal(inspect(kind, fromText.reencode()).reencode(), fromText.reencode(), text)
      }
    }
  })

  test('links, full and short, text and binary', () => {
    for (const section of ['connectionRequests', 'shortLinks']) {
      for (const { smp, uri, what } of list(uris[section])) {
        assert.equal(inspect('link', smp as string).reencode(), smp, `${section} ${what}`)
        const { type } = inspect('link', uri as string).value as { type: string }
        assert.equal(type, section === 'shortLinks' ? 'short' : 'full')
      }
    }
  })

  test('encrypted ratchet headers and key agreement parameters of whole conversations', () => {
    let encrypted = 0
    for (const { x3dh, steps } of list(vectors('sx-ratchet.json').transcripts) as { x3dh: Entry; steps: Entry[] }[]) {
      assert.equal(inspect('e2e-params', x3dh.aliceParams as string).reencode(), x3dh.aliceParams)
      for (const { encHeader } of steps) {
        if (typeof encHeader !== 'string') continue
        const { value, reencode } = inspect('ratchet-header', encHeader)
        const { form } = value as { form: string }
        // Headers of X25519 ratchets, which agents do not use, have other lengths.
        if (form !== 'encrypted') continue
        assert.equal(reencode(), encHeader)
        encrypted++
      }
    }
    assert.ok(encrypted > 50)
  })

  test('bytes may be hexadecimal, base64 or base64url, with white space, and come back the same way', () => {
    const [{ smp }] = list(uris.queueUris) as [Entry]
    for (const notation of ['hex', 'base64', 'base64url'] as const) {
      const text = hexOf(smp, notation)
      const padded = notation === 'base64url' ? text + '='.repeat((4 - (text.length % 4)) % 4) : text
      assert.equal(inspect('queue-uri', `${text.slice(0, 20)}\n ${text.slice(20)}\n`).reencode(), padded)
    }
  })
})

test('a command reads as JSON with byte strings in base64url', () => {
  const { value } = inspect('smp-command', Buffer.from('ACK \x03abc', 'latin1').toString('hex'), 9)
  assert.deepEqual(JSON.parse(inspectionJson(value)), { type: 'ACK', msgId: 'YWJj' })
})

test('the version decides the layout', () => {
  const key = `2c302a300506032b656e032100${'01'.repeat(32)}`
  const ids = `${Buffer.from('IDS ').toString('hex')}0101${'0102'}${key}`
  assert.equal((inspect('smp-response', ids, 8).value as { type: string }).type, 'IDS')
  assert.throws(() => inspect('smp-response', ids, 18), DecodeError)
})

for (const kind of INSPECTION_KINDS) {
  test(`${kind.name}: any text and any bytes either decode or are refused with an offset`, () => {
    const input = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    )
    fc.assert(
      fc.property(input, (text) => {
        try {
          inspectionJson(kind.inspect(text, kind.versions?.max ?? 0).value)
        } catch (error) {
          assert.ok(error instanceof DecodeError, `${error}`)
          assert.ok(error.offset >= 0)
        }
      }),
      { numRuns: 300 },
    )
  })
}
