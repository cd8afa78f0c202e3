import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { storyLines } from '../../src/story/lines.ts'
import { searchFiles } from '../../src/story/router-view.ts'

const MAIN = fileURLToPath(new URL('../../src/story/main.ts', import.meta.url))

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-story-test-'))
})
after(() => rm(folder, { recursive: true }))

/** Runs the story with a folder for temporary files of its own. */
async function run(args: readonly string[]): Promise<{ lines: string[]; code: number | null; left: string[] }> {
  const temporary = await mkdtemp(join(folder, 'tmp-'))
  const child = spawn(process.execPath, ['--conditions=parley-source', MAIN, ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const lines = (await text(child.stdout)).trimEnd().split('\n')
  return { code: await closed, lines, left: await readdir(temporary) }
}

/** A row of the table: its cells after the name. */
function row(lines: readonly string[], name: string): string[] {
  const line = lines.find((one) => one.trimStart().startsWith(`${name}, `) || one.trimStart().startsWith(`${name}  `))
  assert.ok(line !== undefined, name)
  return line.trim().split(/ {2,}/).slice(1)
}

test('the story with lines of a file: all arrives, and the taps saw what may be seen and nothing else', async () => {
  const file = join(folder, 'lines.txt')
  const texts = Array.from({ length: 12 }, (_, i) => `line number ${i} of the user’s file`)
  // More than one message of the channel holds.
  texts[11] = `a long one: ${'0123456789'.repeat(4_000)}`
  await writeFile(file, texts.join('\n'))
  const { lines, code, left } = await run(['--text', file])
  for (const one of texts) assert.equal(lines.filter((line) => line.endsWith(` ${one}`)).length, 1, one.slice(0, 40))
  const table = lines.slice(lines.findIndex((line) => line.startsWith('8.')))
  assert.ok(table[1]?.includes('private text'))
  const [peer1, peer2, peer3] = ['peer 1', 'peer 2', 'peer 3'].map((name) => row(table, name))
  // Nobody on the way reads a private message, learns Alice's address, or that she asks for Bob.
  for (const name of ['peer 1', 'peer 2', 'peer 3', 'router A', 'router B', 'the whole network']) {
    const [readable, , alice, , together] = row(table, name)
    assert.deepEqual([readable, alice, together], ['0 of 12', 'no', 'no'], name)
  }
  // The plain message is read by the two peers that carry it.
  assert.deepEqual([peer1?.[1], peer2?.[1], peer3?.[1]], ['READ', 'READ', 'no'])
  // Bob is listed: the peers at which he registers know him; the private plane does not.
  assert.deepEqual([peer2?.[3], peer3?.[3]], ['yes', 'yes'])
  for (const name of ['router A', 'router B', 'the whole network']) {
    const [, plain, , bob] = row(table, name)
    assert.deepEqual([plain, bob], ['no', 'no'], name)
  }
  assert.ok(lines.some((line) => line.includes('sntrup761') && line.endsWith(': on')))
  assert.equal(lines.at(-1), '✔ 12 private messages, 12 arrived once and in order; nobody on the way could read one.')
  assert.deepEqual([code, left], [0, []])
})

test('without lines there is no story', async () => {
  const file = join(folder, 'empty.txt')
  await writeFile(file, '\n\n')
  const { lines, code, left } = await run(['--text', file])
  assert.deepEqual([lines.at(-1), code, left], [`✗ ${file} has no lines`, 1, []])
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

test('a line that no envelope holds is refused', async () => {
  const file = join(folder, 'long.txt')
  await writeFile(file, 'x'.repeat(3 * 1024 * 1024))
  assert.throws(() => storyLines(file), /has 3145728 bytes: a message holds 31\d{5}/)
})

test('the search finds plaintext where there is some', async () => {
  const data = join(folder, 'data')
  await mkdir(join(data, 'below'), { recursive: true })
  await writeFile(join(data, 'below', 'file'), 'xx the secret line xx id')
  const result = searchFiles(data, ['the secret line', 'another line', 'ab'], Buffer.from('id'))
  assert.deepEqual(result, { bytes: 24, files: 1, found: ['the secret line'], tooShort: 1, findsKnown: true })
})
