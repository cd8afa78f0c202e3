import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { AS_OLD_NODE, firstLine, LAUNCHER, runParley, startParley } from './parley-process.ts'

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

test('the program ends when the launcher is killed', async () => {
  const child = startParley(['smp', 'serve', '--data', join(folder, 'router'), '--port', '0'], AS_OLD_NODE)
  await firstLine(child)
  child.kill('SIGKILL')
  // The program holds the other end of this pipe: it closes when the program is gone too.
  await once(child, 'close')
})
