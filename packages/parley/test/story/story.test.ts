import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { storyLines } from '../../src/story/lines.ts'
import { searchFiles } from '../../src/story/router-view.ts'

const MAIN = fileURLToPath(new URL('../../src/story/main.ts', import.meta.url))

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-story-test-'))
})
after(() => rm(folder, { recursive: true }))

test('the story with lines of a file comes to a good end and prints what arrived', async () => {
  const file = join(folder, 'lines.txt')
  const lines = Array.from({ length: 12 }, (_, i) => `line number ${i} of the user’s file`)
  await writeFile(file, lines.join('\n'))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=parley-source', MAIN, '--text', file])
  for (const line of lines) assert.ok(stdout.includes(` ${line}\n`), line)
  const verdict = stdout.trimEnd().split('\n').at(-1)
  const expected = '12 messages sent, 12 arrived once and in order, 8 of 8 receipts came back'
  assert.equal(verdict, `✔ ${expected}, 0 lines readable for the router.`)
})

test('every line of a file is said once, and no more wait than a queue holds', async () => {
  for (const count of [1, 2, 3, 10, 1000]) {
    const file = join(folder, `${count}.txt`)
    const lines = Array.from({ length: count }, (_, i) => `${i}`)
    await writeFile(file, lines.join('\r\n'))
    const { fromAlice, fromBob, whileAway } = storyLines(file)
    assert.deepEqual([...fromAlice, ...fromBob, ...whileAway], lines)
    assert.ok(whileAway.length <= 100)
  }
})

test('the search finds plaintext where there is some', async () => {
  const data = join(folder, 'data')
  await mkdir(join(data, 'below'), { recursive: true })
  await writeFile(join(data, 'below', 'file'), 'xx the secret line xx id')
  const result = searchFiles(data, ['the secret line', 'another line', 'ab'], Buffer.from('id'))
  assert.deepEqual(result, { bytes: 24, files: 1, found: ['the secret line'], tooShort: 1, findsKnown: true })
})
