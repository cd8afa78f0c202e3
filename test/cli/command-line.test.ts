// Arguments, help, exit codes, passphrases and locks: what users meet before anything runs.
import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { before, describe, test } from 'node:test'
import { JsonlProcess } from './jsonl-process.ts'
import { type Finished, folderForTests, RouterProcess, runParley } from './parley.ts'

const TIME = { timeout: 60_000 }
/** Nobody listens there. */
const NOWHERE = 'smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:1'
const path = folderForTests()

/** What every failure has in common: nothing on standard output, a message without a stack. */
function assertFailure({ code, stdout, stderr }: Finished, expected: number, message: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, message)
  assert.doesNotMatch(stderr, /^\s+at /m, 'a stack is for developers')
}

describe('help', TIME, () => {
  for (const command of [
    [],
    ['smp'],
    ['smp', 'serve'],
    ['agent'],
    ['talk'],
    ['send'],
    ['listen'],
    ['trace'],
    ['inspect'],
  ]) {
    test(`parley ${command.join(' ')} --help has an example and ends with 0`, async () => {
      const { code, stdout, stderr } = await runParley([...command, '--help'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, new RegExp(`^Usage: parley ${command.join(' ')}`))
      assert.match(stdout, /^Examples?\b.*:\n {2}\$ /m)
      for (const line of stdout.split('\n')) assert.ok(line.length <= 120, line)
    })
  }

  test('parley help COMMAND is the same', async () => {
    assert.equal((await runParley(['help', 'agent'])).stdout, (await runParley(['agent', '--help'])).stdout)
  })

  test('parley alone shows it too, with exit code 2', async () => {
    const { code, stdout, stderr } = await runParley([])
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^Usage: parley/)
  })

  test('--version', async () => {
    const manifest = await readFile(new URL('../../packages/parley/package.json', import.meta.url), 'utf8')
    const { version } = JSON.parse(manifest) as { version: string }
    for (const option of ['--version', '-V']) {
      assert.deepEqual(await runParley([option]), { code: 0, stdout: `${version}\n`, stderr: '' })
    }
  })
})

describe('arguments that make no sense are exit code 2', TIME, () => {
  const data = path('never made')
  const agent = ['agent', '--data', data, '--smp', NOWHERE, '--jsonl']
  for (const [args, message] of [
    [['fly'], /unknown command 'fly'/],
    [['--fly'], /unknown option '--fly'/],
    [['smp', 'fly'], /unknown command 'fly'/],
    [['smp', 'serve'], /'--data <dir>' not specified/],
    [['smp', 'serve', '--data'], /argument missing/],
    [['smp', 'serve', '--data', data, '--port', '65536'], /port is a number from 0 to 65535/],
    [['smp', 'serve', '--data', data, '--port', '-1'], /port is a number/],
    [['smp', 'serve', '--data', data, '--port', '1e3'], /port is a number/],
    [['smp', 'serve', '--data', data, '--algorithm', 'rsa'], /Allowed choices are ed25519, ed448/],
    [
      ['smp', 'serve', '--data', path('password'), '--port', '0', '--password', 'open sesame'],
      /password has characters/,
    ],
    [
      ['smp', 'serve', '--data', path('hosts'), '--port', '0', '--address-host', 'a b'],
      /neither a host name nor an IP address/,
    ],
    [['smp', 'serve', '--data', data, 'more'], /too many arguments/],
    [['agent'], /'--data <dir>' not specified/],
    [['agent', '--data', data, '--jsonl'], /'--smp <address,…>' not specified/],
    [['agent', '--data', data, '--smp', NOWHERE], /--jsonl/],
    [[...agent, 'more'], /too many arguments/],
    [[...agent, '--smp', ''], /without empty items/],
    [[...agent, '--smp', `${NOWHERE},`], /without empty items/],
    [[...agent, '--smp', 'example.org'], /malformed router address/],
    [[...agent, '--smp', 'https://example.org'], /malformed router address/],
    [[...agent, '--smp', `${NOWHERE},xftp://LcJU@example.org`], /malformed router address/],
    [[...agent, '--passphrase-file'], /argument missing/],
    [['talk', '--data', data], /no router is given/],
    [['talk', 'https://example.org', '--data', data], /malformed link at offset \d+: /],
    [['talk', '--smp', 'example.org', '--data', data], /malformed router address/],
    [['talk', 'link', 'link', '--data', data], /too many arguments/],
  ] as const) {
    test(`parley ${args.join(' ').replaceAll(path(), 'DIR').replaceAll(NOWHERE, 'ADDRESS')}`, async () => {
      assertFailure(await runParley(args), 2, message)
    })
  }
})

describe('the folder', TIME, () => {
  const list = '{"id":1,"cmd":"listConnections"}'
  const agent = (folder: string, ...more: string[]) =>
    runParley(['agent', '--data', folder, '--smp', NOWHERE, '--jsonl', ...more], { input: list })

  test('is made for its owner alone; the database too where the folder is open to others', async () => {
    await agent(path('new', 'deeper'))
    assert.equal((await stat(path('new', 'deeper'))).mode & 0o777, 0o700)
    await mkdir(path('open'))
    await chmod(path('open'), 0o755)
    await agent(path('open'))
    assert.equal((await stat(path('open', 'agent.db'))).mode & 0o777, 0o600)
  })

  test('that cannot be one is exit code 1', async () => {
    await writeFile(path('file'), '')
    assertFailure(await agent(path('file')), 1, /no folder can be made there: .*file already exists/)
    assertFailure(await agent(path('file', 'below')), 1, /ENOTDIR/)
    assertFailure(await runParley(['smp', 'serve', '--data', path('file'), '--port', '0']), 1, /cannot start/)
    assertFailure(await runParley(['talk', '--data', path('file'), '--smp', NOWHERE]), 1, /file/)
  })

  test('with something else for a database is exit code 1', async () => {
    await mkdir(path('strange'))
    await writeFile(path('strange', 'agent.db'), 'this is no database, but long enough to be looked at'.repeat(100))
    assertFailure(await agent(path('strange')), 1, /agent\.db/)
  })

  test('in use by another agent is exit code 1, and the first agent does not notice', async () => {
    const first = JsonlProcess.start(path('used'), NOWHERE)
    await first.request('listConnections')
    for (let time = 0; time < 2; time++) assertFailure(await agent(path('used')), 1, /in use by another agent/)
    await first.request('listConnections')
    assert.equal(await first.end(), 0)
    assert.equal((await agent(path('used'))).code, 0)
  })

  test('in use by a killed agent is free again', async () => {
    const first = JsonlProcess.start(path('killed'), NOWHERE)
    await first.request('listConnections')
    await first.kill()
    assert.equal((await agent(path('killed'))).code, 0)
  })

  test('in use by another router is exit code 1', async () => {
    await using router = await RouterProcess.start(path('router'))
    assertFailure(await runParley(['smp', 'serve', '--data', path('router'), '--port', '0']), 1, /cannot start/)
    assert.equal(await router.stop(), 0)
  })

  test('port in use is exit code 1', async () => {
    await using router = await RouterProcess.start(path('router'))
    const port = router.address.split(':').at(-1) ?? ''
    const second = await runParley(['smp', 'serve', '--data', path('other'), '--port', port])
    assertFailure(second, 1, /cannot start: .*EADDRINUSE/)
    assert.equal(await router.stop(), 0)
  })
})

describe('--passphrase-file', TIME, () => {
  const folder = path('encrypted')
  const open = (...more: string[]) =>
    runParley(['agent', '--data', folder, '--smp', NOWHERE, '--jsonl', ...more], {
      input: '{"id":1,"cmd":"listConnections"}',
    })
  before(async () => {
    await writeFile(path('right'), 'correct horse\n')
    await writeFile(path('same'), 'correct horse\r\nand a comment')
    await writeFile(path('wrong'), 'battery staple\n')
    await writeFile(path('empty'), '')
    await writeFile(path('late'), '\ncorrect horse')
    assert.equal((await open('--passphrase-file', path('right'))).code, 0)
  }, TIME)

  test('encrypts the whole file', async () => {
    const bytes = await readFile(path('encrypted', 'agent.db'))
    assert.ok(bytes.length > 0)
    assert.ok(!bytes.includes('SQLite format') && !bytes.includes('CREATE TABLE'))
  })

  test('its first line opens it again', async () => {
    for (const name of ['right', 'same']) {
      const { code, stdout, stderr } = await open('--passphrase-file', path(name))
      assert.deepEqual([code, stdout, stderr], [0, '{"id":1,"result":{"connections":[]}}\n', ''])
    }
  })

  test('wrong or missing is exit code 1', async () => {
    const message = /agent\.db cannot be read: its passphrase is missing or wrong/
    assertFailure(await open('--passphrase-file', path('wrong')), 1, message)
    assertFailure(await open(), 1, message)
  })

  test('given for data that is not encrypted is exit code 1, and leaves it as it is', async () => {
    const plain = ['agent', '--data', path('plain'), '--smp', NOWHERE, '--jsonl']
    assert.equal((await runParley(plain)).code, 0)
    assertFailure(await runParley([...plain, '--passphrase-file', path('right')]), 1, /has no passphrase/)
    assert.equal((await runParley(plain)).code, 0)
  })

  test('that is empty or not there is exit code 1', async () => {
    assertFailure(await open('--passphrase-file', path('empty')), 1, /no passphrase in its first line/)
    assertFailure(await open('--passphrase-file', path('late')), 1, /no passphrase in its first line/)
    assertFailure(await open('--passphrase-file', path('not there')), 1, /cannot be read: ENOENT/)
    assertFailure(await open('--passphrase-file', path()), 1, /cannot be read: EISDIR/)
  })
})

describe('smp serve', TIME, () => {
  test('--password: whoever does not know it makes no queues, and is told SMP AUTH', async () => {
    await using router = await RouterProcess.start(path('guarded'), ['--password', 'open-sesame'])
    const { address } = router
    assert.match(address, /^smp:\/\/[\w-]+=:[^@]+@127\.0\.0\.1:\d+$/)
    const agent = (name: string, server: string) => JsonlProcess.start(path(name), server)
    const member = agent('member', address)
    const guest = agent('guest', address.replace(/:[^@/:]+@/, '@'))
    const { link } = await member.request('createConnection', { mode: 'invitation' })
    const { type, smpErr } = await guest.refused('createConnection', { mode: 'invitation' })
    assert.deepEqual([type, smpErr], ['SMP', { type: 'AUTH' }])
    assert.ok(!`${link}`.includes('sesame'), 'the password is not in links')
    assert.deepEqual([await member.end(), await guest.end()], [0, 0])
    assert.equal(await router.stop(), 0)
  })
})
