import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { displayRows, displayText, displayWidth } from '../../src/talk/display-text.ts'

test('no control character but the line feed is left', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const character of displayText(text)) {
        const code = character.codePointAt(0) ?? 0
        assert.ok(code === 10 || (code >= 32 && code < 127) || code >= 160, `U+${code.toString(16)}`)
      }
    }),
  )
})

test('text cannot turn the direction of what follows it', () => {
  assert.equal(displayText('a\u202eb\u2066c'), 'abc')
})

test('ordinary text stays as it is', () => {
  assert.equal(displayText('Grüße, 世界! 👋🏽\nsecond line'), 'Grüße, 世界! 👋🏽\nsecond line')
})

test('wide characters take two columns, combined ones one', () => {
  assert.equal(displayWidth('abc'), 3)
  assert.equal(displayWidth('世界'), 4)
  assert.equal(displayWidth('👋🏽'), 2)
  assert.equal(displayWidth('e\u0301'), 1)
})

test('rows: lines that wrap and empty lines count', () => {
  assert.equal(displayRows('', 10), 1)
  assert.equal(displayRows('a'.repeat(10), 10), 1)
  assert.equal(displayRows('a'.repeat(11), 10), 2)
  assert.equal(displayRows('a\n\nb', 10), 3)
})
