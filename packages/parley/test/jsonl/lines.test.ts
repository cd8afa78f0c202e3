import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type InputLine, MAX_LINE_LENGTH, readLines } from '../../src/jsonl/lines.ts'

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

async function lines(...parts: readonly Uint8Array[]): Promise<InputLine[]> {
  const found: InputLine[] = []
  for await (const line of readLines(chunks(parts))) found.push(line)
  return found
}

/** The bytes in pieces of the given lengths. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  for (const length of lengths) {
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  return [...parts, bytes.subarray(at)]
}

test('lines are the same however the input is cut, within characters too', async () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\n') && text.trim() !== '')
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(20)), async (texts, lengths) => {
      const bytes = new TextEncoder().encode(texts.join('\n'))
      assert.deepEqual(
        await lines(...cut(bytes, lengths)),
        texts.map((text) => ({ text })),
      )
    }),
  )
})

test('empty lines are left out', async () => {
  assert.deepEqual(await lines(Buffer.from('\n\na\n  \nb')), [{ text: 'a' }, { text: 'b' }])
})

test('a line that is too long is skipped, told of, and does not disturb the next', async () => {
  const long = Buffer.alloc(MAX_LINE_LENGTH, 'x')
  assert.deepEqual(await lines(long, Buffer.from('y\nnext\n')), [{ tooLong: true }, { text: 'next' }])
  assert.deepEqual(await lines(long, long, long), [{ tooLong: true }])
  assert.equal((await lines(long)).length, 1)
})
