import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, constants, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { AS_OLD_NODE, finish, firstLine, LAUNCHER, runParley, startParley } from './parley-process.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-launcher-'))
})
after(() => rm(folder, { recursive: true }))

test('the launcher runs through a link from any folder', async () => {
  const link = join(folder, 'parley')
  await symlink(LAUNCHER, link)
  // The first line of the file names `node`: the one that runs this test comes first in the path.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
  const { stdout } = await promisify(execFile)(link, ['--version'], { cwd: folder, env })
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

for (const [name, nodeOptions] of [
  ['on a Node that is new enough', []],
  ['on an older Node, under the bundled one', AS_OLD_NODE],
] as const) {
  describe(`parley ${name}`, () => {
    test('passes arguments, standard input and output', async () => {
      const { code, stdout } = await runParley(['inspect', 'smp-command', '-', '--reencode'], {
        input: '535542\n',
        nodeOptions,
      })
      assert.deepEqual([code, stdout], [0, '535542\n'])
    })

    test('returns the exit code', async () => {
      assert.equal((await runParley(['inspect', 'smp-command', 'ff'], { nodeOptions })).code, 2)
      assert.equal((await runParley(['--help'], { nodeOptions })).code, 0)
    })

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      test(`ends a router cleanly on ${signal}`, async () => {
        const child = startParley(['smp', 'serve', '--data', join(folder, 'router'), '--port', '0'], nodeOptions)
        assert.match(await firstLine(child), /^smp:\/\/[\w-]+=@127\.0\.0\.1:\d+$/)
        child.kill(signal)
        assert.deepEqual(await once(child, 'close'), [0, null])
      })
    }
  })
}

describe('libp2p_node', () => {
  const NODE_LAUNCHER = join(dirname(LAUNCHER), 'libp2p_node.js')
  const own = dirname(process.execPath)
  let envFile = ''
  before(async () => {
    envFile = join(folder, 'node.env')
    const key = randomBytes(32).toString('hex')
    const place = '127.0.0.1:0'
    const storage = join(folder, 'records')
    const lines = [`AEA_P2P_ID=${key}`, `AEA_P2P_URI=${place}`, `AEA_P2P_URI_PUBLIC=${place}`]
    await writeFile(envFile, [...lines, `AEA_P2P_CFG_STORAGE_PATH=${storage}`, ''].join('\n'))
    await mkdir(join(folder, 'bin'))
    await symlink(LAUNCHER, join(folder, 'bin', 'parley'))
  })

  /** Starts a node by a program that was put somewhere, and ends it by a signal. */
  async function runs(program: string, path: string): Promise<void> {
    const child = spawn(program, [envFile], { cwd: folder, env: { PATH: path }, stdio: 'pipe' })
    assert.equal(await firstLine(child), 'MULTIADDRS_LIST_START')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'close'), [0, null])
  }

  test('where `parley acn install-node` puts it, with no Node in the path', async () => {
    const place = join(folder, "build of it's", 'sub')
    await mkdir(place, { recursive: true })
    const { code, stdout } = await runParley(['acn', 'install-node', place])
    assert.deepEqual([code, stdout], [0, `${join(place, 'libp2p_node')}\n`])
    await runs(join(place, 'libp2p_node'), '/usr/bin:/bin')
    assert.equal((await runParley(['acn', 'install-node', place])).code, 1)
    assert.equal((await runParley(['acn', 'install-node', '--force', place])).code, 0)
  })

  test('as a link, and as a copy where `parley` is in the path', async () => {
    const link = join(folder, 'linked')
    await symlink(NODE_LAUNCHER, link)
    await runs(link, `${own}:/usr/bin:/bin`)
    const copy = join(folder, 'libp2p_node')
    await copyFile(NODE_LAUNCHER, copy)
    await chmod(copy, 0o755)
    await runs(copy, `${join(folder, 'bin')}:${own}:/usr/bin:/bin`)
    const alone = await finish(spawn(copy, [envFile], { env: { PATH: `${own}:/usr/bin:/bin` }, stdio: 'pipe' }))
    assert.equal(alone.code, 1)
    assert.match(alone.stdout, /^LIBP2P_NODE_PANIC_ERROR : parley is not in the path/)
  })

  test('leaves the standard input that it shares with the program that starts it as it is', {
    skip: process.platform !== 'linux' && 'the flags are read from /proc',
  }, async (t) => {
    const child = spawn(process.execPath, [NODE_LAUNCHER, envFile], { cwd: folder, stdio: 'pipe' })
    t.after(() => child.kill('SIGKILL'))
    assert.equal(await firstLine(child), 'MULTIADDRS_LIST_START')
    const flags = /^flags:\s*(\d+)$/m.exec(await readFile(`/proc/${child.pid}/fdinfo/0`, 'utf8'))?.[1]
    assert.ok(flags !== undefined)
    assert.equal(Number.parseInt(flags, 8) & constants.O_NONBLOCK, 0)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'close'), [0, null])
  })

  test('ends as the Go node does when it cannot start', async () => {
    const start = (...args: string[]) => finish(spawn(process.execPath, [NODE_LAUNCHER, ...args], { stdio: 'pipe' }))
    const [without, missing, malformed] = [await start(), await start(join(folder, 'none')), await start(LAUNCHER)]
    assert.deepEqual([without.code, missing.code, malformed.code], [2, 1, 2])
    for (const { stdout } of [without, missing, malformed]) assert.match(stdout, /^LIBP2P_NODE_PANIC_ERROR : .+\n$/)
  })
})

test('the program ends when the launcher is killed', async () => {
  const child = startParley(['smp', 'serve', '--data', join(folder, 'router'), '--port', '0'], AS_OLD_NODE)
  await firstLine(child)
  child.kill('SIGKILL')
  // The program holds the other end of this pipe: it closes when the program is gone too.
  await once(child, 'close')
})
