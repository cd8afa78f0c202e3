import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { verifyCard } from '../../src/card/index.ts'
import { CliError } from '../../src/cli/exit-codes.ts'
import { readPassphrase } from '../../src/cli/passphrase.ts'
import { linkOf } from '../card/sample.ts'
import vectors from '../identity/vectors/aea-keys.json' with { type: 'json' }
import { runParley } from './parley-process.ts'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-id-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('an identity is made, listed, shown and exported, and its key stays sealed', async (t) => {
  const folder = await folderOf(t)
  const data = ['--data', folder]
  const passphraseFile = join(folder, 'passphrase')
  await writeFile(passphraseFile, 'correct horse\n')
  const key = [...data, '--passphrase-file', passphraseFile]
  const made = await runParley(['id', 'new', 'alice', '--ledger', 'fetchai', ...key])
  assert.equal(made.code, 0, made.stderr)
  const { address, file } = JSON.parse(made.stdout)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  const listed = await runParley(['id', 'list', ...data])
  assert.match(listed.stdout, new RegExp(`^alice +fetchai +${address}\n$`))
  const shown = await runParley(['id', 'show', address, ...data])
  assert.equal(JSON.parse(shown.stdout).name, 'alice')

  const out = join(folder, 'fetchai_private_key.txt')
  const exported = await runParley(['id', 'export', 'alice', '--out', out, '--plain', ...key])
  assert.deepEqual([exported.code, exported.stdout, exported.stderr], [0, '', ''])
  const hex = await readFile(out, 'utf8')
  assert.match(hex, /^[0-9a-f]{64}$/)
  assert.ok(![made, listed, shown].some(({ stdout }) => stdout.includes(hex)))
  const again = await runParley(['id', 'export', 'alice', '--out', out, ...key])
  assert.equal(again.code, 1)
  const imported = await runParley(['id', 'import', out, '--name', 'copy', ...key])
  assert.equal(JSON.parse(imported.stdout).address, address)

  await writeFile(passphraseFile, 'wrong\n')
  const wrong = await runParley(['id', 'export', 'alice', '--out', join(folder, 'other'), ...key])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /passphrase of alice is wrong/)
  await assert.rejects(stat(join(folder, 'other')))
})

test('keys of Python agents are taken, plain and encrypted; the passphrase may differ', async (t) => {
  const folder = await folderOf(t)
  const own = join(folder, 'own')
  const ofKey = join(folder, 'of-key')
  await writeFile(own, 'own passphrase\n')
  const key = ['--data', folder, '--passphrase-file', own]
  for (const [number, vector] of vectors.keys.entries()) {
    if (vector.passphrase !== undefined && vector.passphrase !== 'correct horse') continue
    const file = join(folder, `${vector.ledger}_private_key.txt`)
    await writeFile(file, vector.text)
    if (vector.passphrase !== undefined) await writeFile(ofKey, vector.passphrase)
    const rest = vector.passphrase === undefined ? [] : ['--key-passphrase-file', ofKey]
    const imported = await runParley(['id', 'import', file, '--name', `n${number}`, ...key, ...rest])
    assert.equal(imported.code, 0, imported.stderr)
    assert.equal(JSON.parse(imported.stdout).address, vector.address)
  }
  const nameless = join(folder, 'key')
  await writeFile(nameless, vectors.keys[0]?.text ?? '')
  const unclear = await runParley(['id', 'import', nameless, '--name', 'x', ...key])
  assert.equal(unclear.code, 2)
  assert.match(unclear.stderr, /--ledger/)
})

test('a contact card is signed, shown, renewed and revoked; each takes the place of the one before', async (t) => {
  const folder = await folderOf(t)
  const passphraseFile = join(folder, 'passphrase')
  await writeFile(passphraseFile, 'correct horse\n')
  const data = ['--data', folder]
  const key = [...data, '--passphrase-file', passphraseFile]
  const made = await runParley(['id', 'new', 'alice', '--ledger', 'ethereum', ...key])
  const { address } = JSON.parse(made.stdout)
  assert.equal((await runParley(['id', 'card', 'alice', ...data])).code, 1)
  const show = async () => JSON.parse((await runParley(['id', 'show', 'alice', ...data])).stdout).card
  assert.deepEqual(await show(), { state: 'none' })

  const attach = join(folder, 'agent-card.json')
  await writeFile(attach, '{"name":"alice"}')
  const contents = ['--link', linkOf(1), '--channel-key', '5f'.repeat(32), '--attach', attach, '--days', '1']
  const sign = async (...args: string[]) => {
    const signed = await runParley(['id', 'card', 'alice', ...args, ...key])
    assert.equal(signed.code, 0, signed.stderr)
    const shown = JSON.parse(signed.stdout)
    const verified = verifyCard(Buffer.from(shown.bytes, 'hex'), { expectedAddress: address })
    assert.equal(verified.kind, 'ledger')
    return { shown, verified }
  }
  const first = await sign(...contents)
  assert.equal(first.shown.contactLink, linkOf(1))
  assert.equal(Buffer.from(first.verified.attachment ?? []).toString(), '{"name":"alice"}')
  const { card } = first.verified
  assert.equal(card.notAfter - card.notBefore, 24 * 3_600_000)
  const again = await runParley(['id', 'card', address, ...data])
  assert.deepEqual(JSON.parse(again.stdout), first.shown)

  const renewed = await sign('--renew', '--days', '400')
  assert.ok(renewed.shown.sequence > first.shown.sequence)
  assert.deepEqual(renewed.verified.attachment, first.verified.attachment)
  const { state, sequence } = await show()
  assert.deepEqual([state, sequence], ['valid', renewed.shown.sequence])
  const revoked = await sign('--revoke')
  assert.deepEqual([revoked.shown.state, revoked.verified.card.contactLink], ['revoked', undefined])
  assert.equal((await runParley(['id', 'card', 'alice', '--renew', ...key])).code, 1)

  for (const wrong of [
    ['--renew', '--revoke'],
    ['--link', 'https://example.com/'],
    ['--link', linkOf(1), '--days', '401'],
    ['--link', linkOf(1), '--channel-key', '5f'],
  ]) {
    assert.equal((await runParley(['id', 'card', 'alice', ...wrong, ...key])).code, 2, wrong.join(' '))
  }
  await writeFile(join(folder, 'identities', 'alice.card'), 'damaged')
  assert.equal((await runParley(['id', 'show', 'alice', ...data])).code, 1)
})

test('arguments that make no sense end with 2, what is not there with 1', async (t) => {
  const folder = await folderOf(t)
  const data = ['--data', folder]
  assert.equal((await runParley(['id', 'new', 'a', '--ledger', 'bitcoin', ...data])).code, 2)
  assert.equal((await runParley(['id', 'show', 'nobody', ...data])).code, 1)
  const none = await runParley(['id', 'new', 'a', '--ledger', 'cosmos', ...data])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /passphrase of a is needed/)
  const passphraseFile = join(folder, 'passphrase')
  await writeFile(passphraseFile, 'x')
  const named = ['id', 'new', '../a', '--ledger', 'cosmos', ...data, '--passphrase-file', passphraseFile]
  assert.equal((await runParley(named)).code, 2)
})

test('a passphrase that is asked for is not shown, and a new one is asked for twice', async () => {
  const ask = async (answers: string, isNew: boolean) => {
    const input = Object.assign(new PassThrough(), { isTTY: true })
    const [output, error] = [new PassThrough(), new PassThrough()]
    let shown = ''
    for (const stream of [output, error]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        shown += text
        if (!text.endsWith(': ')) return
        const [answer = ''] = answers.split('\n')
        answers = answers.slice(answer.length + 1)
        input.write(`${answer}\r`)
      })
    }
    const passphrase = await readPassphrase(
      { of: 'alice', isNew },
      { input, output, error, stop: new AbortController().signal },
    )
    return { passphrase, shown }
  }
  assert.deepEqual(await ask('secret word', false), { passphrase: 'secret word', shown: 'Passphrase of alice: \n' })
  const twice = await ask('one\none', true)
  assert.equal(twice.passphrase, 'one')
  assert.ok(!twice.shown.includes('one\n') && twice.shown.includes('Once more'))
  await assert.rejects(ask('one\ntwo', true), CliError)
  await assert.rejects(ask('\n', false), CliError)
  // Ctrl-C and the end of the input.
  await assert.rejects(ask('\x03', false), CliError)
  await assert.rejects(ask('\x04', false), CliError)
})
