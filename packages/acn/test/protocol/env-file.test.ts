import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseEnvFile } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'

const value = (line: string) => parseEnvFile(line).get('KEY')

describe('env files', () => {
  test('values are taken as they stand, with = and : in them', () => {
    assert.equal(value('KEY=a=b:c+/=='), 'a=b:c+/==')
    assert.equal(value('KEY='), '')
    assert.equal(value('  KEY  =  spaced out  '), 'spaced out')
    assert.equal(value('KEY: yaml=style'), 'yaml=style')
    assert.equal(value('export KEY=exported'), 'exported')
  })

  test('lines: blank, comments, both kinds of end, the later one wins', () => {
    const values = parseEnvFile('\n# note\r\n\t# note\nKEY=first\r\n\nKEY=second\nOTHER=x')
    assert.deepEqual(
      [...values],
      [
        ['KEY', 'second'],
        ['OTHER', 'x'],
      ],
    )
  })

  test('comments end a value unless they are between quotes', () => {
    assert.equal(value('KEY=a # comment'), 'a')
    assert.equal(value('KEY="a # b"'), 'a # b')
    assert.equal(value("KEY='a # b' # c"), 'a # b')
    assert.equal(value('KEY="a#b#c" # d'), 'a#b#c')
  })

  test('quotes: raw in single ones, escapes in double ones', () => {
    assert.equal(value(`KEY='a\\n$HOME "x"'`), 'a\\n$HOME "x"')
    assert.equal(value('KEY="a\\nb\\"c\\\\d"'), 'a\nb"c\\d')
    assert.equal(value('KEY="'), '"')
    assert.equal(value('KEY=""'), '')
  })

  test('earlier keys stand for their values', () => {
    const values = parseEnvFile(`A=1\nB=$A-\${A}\nC="\${A}2"\nD='$A'\nE=\\$A\nF=$NONE.\nG=5$`)
    assert.deepEqual(Object.fromEntries(values), { A: '1', B: '1-1', C: '12', D: '$A', E: '$A', F: '.', G: '5$' })
  })

  test('a line that says nothing is refused by its number, without its text', () => {
    assert.throws(
      () => parseEnvFile('A=1\n\nsecret'),
      (error) => {
        assert.ok(error instanceof DecodeError)
        assert.equal(error.offset, 3)
        assert.ok(!error.message.includes('secret'))
        return true
      },
    )
    assert.throws(() => parseEnvFile('=1'), DecodeError)
  })

  test('any text is read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          parseEnvFile(text)
        } catch (error) {
          assert.ok(error instanceof DecodeError)
        }
      }),
    )
  })
})
