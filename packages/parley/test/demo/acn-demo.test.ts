import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const MAIN = fileURLToPath(new URL('../../src/demo/acn-demo.ts', import.meta.url))

test('the network of the demonstration loses a peer and no envelope', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=parley-source', MAIN])
  assert.match(stdout, /Ben is at peer1 after \d+ ms/)
  assert.match(stdout, /Cleo is at peer3 after \d+ ms/)
  const verdict = stdout.trimEnd().split('\n').at(-1)
  assert.equal(verdict, '✔ 270 envelopes, a peer lost: 30 of 30 pairs have all of theirs, once and in order.')
})
