// `parley inspect` as a program, with bytes that the originals made.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { runParley } from './parley.ts'

const TOGETHER = { timeout: 120_000, concurrency: 2 }

type Entry = Readonly<Record<string, string>>

function entries(file: string, ...path: string[]): Entry[] {
  const text = readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), 'utf8')
  return path.reduce<Record<string, unknown>>((value, name) => value[name] as never, JSON.parse(text)) as never
}

/** One encoding of each kind, as hexadecimal. */
interface Sample {
  readonly kind: string
  readonly what: string
  readonly hex: string
  readonly options?: readonly string[]
}

/** The first and the last of a list: the originals' order is one of growing content. */
function some<T>(list: readonly T[]): T[] {
  return [...list.slice(0, 1), ...list.slice(-1)]
}

const samples: Sample[] = []
for (const [kind, file, section] of [
  ['link', 'sx-uris', 'connectionRequests'],
  ['link', 'sx-uris', 'shortLinks'],
  ['queue-uri', 'sx-uris', 'queueUris'],
  ['agent-envelope', 'sx-agent', 'envelopes'],
  ['agent-message', 'sx-agent', 'messages'],
  ['e2e-params', 'sx-uris', 'e2eParams'],
] as const) {
  for (const { hex, smp, what, name } of some(entries(file, section))) {
    samples.push({ kind, what: what ?? name ?? section, hex: (hex ?? smp) as string })
  }
}
for (const kind of ['command', 'response']) {
  const known = entries('sx-smp', 'vectors').filter((entry) => entry.kind === kind)
  for (const { hex, name, v } of some(known)) {
    samples.push({
      kind: `smp-${kind}`,
      what: `${name} of version ${v}`,
      hex: `${hex}`,
      options: ['--version', `${v}`],
    })
  }
}
const [server] = entries('sx-uris', 'servers') as [Entry]
samples.push({ kind: 'server-address', what: 'server', hex: `${server.smp}` })
const [transcript] = entries('sx-ratchet', 'transcripts') as unknown as [{ steps: Entry[] }]
const header = transcript.steps.find(({ encHeader }) => encHeader)?.encHeader
samples.push({ kind: 'ratchet-header', what: 'encrypted header', hex: `${header}` })

test('there is a sample of every kind that the help names', TOGETHER, async () => {
  const { stdout } = await runParley(['inspect', '--help'])
  const kinds = [...(stdout.split('Kinds:\n')[1] ?? '').matchAll(/^ {2}([a-z][a-z0-9-]+) {2}/gm)].map(
    ([, kind]) => kind,
  )
  assert.deepEqual(
    kinds.filter((kind) => !samples.some((sample) => sample.kind === kind)),
    [],
  )
  assert.equal(kinds.length, 9)
})

describe('decodes and encodes again', TOGETHER, () => {
  for (const { kind, what, hex, options = [] } of samples) {
    test(`${kind}: ${what}`, async () => {
      const base64 = Buffer.from(hex, 'hex').toString('base64')
      const [fromHex, fromBase64, again] = [
        await runParley(['inspect', kind, hex, '--json', ...options]),
        await runParley(['inspect', kind, '--reencode', ...options, '--', base64]),
        await runParley(['inspect', kind, '--reencode', '-', ...options], { input: `${hex}\n` }),
      ]
      assert.equal(fromHex.code, 0, fromHex.stderr)
      assert.equal(typeof JSON.parse(fromHex.stdout), 'object')
      assert.equal(Buffer.from(fromBase64.stdout, 'base64').toString('hex'), hex)
      assert.equal(again.stdout, `${hex}\n`)
    })
  }

  test('text forms come back as text', async () => {
    for (const [kind, text] of [
      ['server-address', server.uri],
      ['queue-uri', entries('sx-uris', 'queueUris')[0]?.uri],
      ['link', entries('sx-uris', 'connectionRequests')[0]?.uri],
      ['link', entries('sx-uris', 'shortLinks')[0]?.uri],
    ] as const) {
      const { code, stdout, stderr } = await runParley(['inspect', kind, `${text}`, '--reencode'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.equal(stdout.replace(/\n$/, ''), text)
    }
  })
})

/** Exit code 2 with the offset and the reason, and nothing else. */
async function assertMalformed(args: readonly string[], input = ''): Promise<void> {
  const { code, stdout, stderr } = await runParley(['inspect', ...args], { input })
  assert.deepEqual([code, stdout], [2, ''], `${args} ${stderr}`)
  assert.match(stderr, /^parley: malformed [a-z0-9-]+ at offset \d+: .+\n$/, `${args}`)
}

describe('malformed input is exit code 2 with the offset and the reason', TOGETHER, () => {
  for (const { kind, hex, options = [] } of samples.filter(
    ({ kind }, index) => samples.findIndex((sample) => sample.kind === kind) === index,
  )) {
    test(`${kind}: wrong, empty, or no bytes at all`, async () => {
      await assertMalformed([kind, '00', ...options])
      await assertMalformed([kind, '-', ...options])
      await assertMalformed([kind, 'äöü', ...options])
      await assertMalformed([kind, '-', ...options], 'f'.repeat(2_000_001))
    })

    test(`${kind}: changed bytes decode or are refused`, async () => {
      const bytes = Buffer.from(hex, 'hex')
      for (let change = 1; change <= 2; change++) {
        const changed = Buffer.from(bytes)
        for (let i = 0; i < change; i++) changed[(change * 7 + i * 31) % changed.length] = change * 41 + i
        const { code, stdout, stderr } = await runParley(['inspect', kind, changed.toString('hex'), ...options])
        assert.ok(code === 0 || code === 2, stderr)
        if (code === 0) JSON.parse(stdout)
        else assert.match(stderr, /^parley: malformed [a-z0-9-]+ at offset \d+: .+\n$/)
      }
    })
  }
})

test('versions that there are not are exit code 2', TOGETHER, async () => {
  for (const version of ['5', '19', '99999', '-1', 'x', '']) {
    const { code, stdout, stderr } = await runParley(['inspect', 'smp-command', '50494e47', '--version', version])
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /version/)
  }
  assert.equal(
    (await runParley(['inspect', 'smp-command', '50494e47', '--version', '6'])).stdout,
    '{\n  "type": "PING"\n}\n',
  )
})
