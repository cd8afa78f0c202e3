import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { SmpRouter } from '@parley/smp/router'
import { runParley, startParley } from '../cli/parley-process.ts'

/** One side of a conversation, read line by line. */
class Talker {
  readonly child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(...args: readonly string[]) {
    this.child = startParley(['talk', ...args])
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  say(text: string): void {
    this.child.stdin.write(`${text}\n`)
  }

  /** The next line that matches; others are skipped. */
  async hears(pattern: RegExp): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      assert.ok(!done, `ended before ${pattern}`)
      if (pattern.test(value)) return value
    }
  }

  /** Closes the input and waits for the end. */
  async leaves(): Promise<unknown> {
    this.child.stdin.end()
    return (await once(this.child, 'close'))[0]
  }

  async interrupted(): Promise<unknown> {
    this.child.kill('SIGINT')
    return (await once(this.child, 'close'))[0]
  }
}

let folder = ''
let router: SmpRouter
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-talk-'))
  router = await SmpRouter.start({ dataDir: join(folder, 'router'), host: '127.0.0.1', port: 0 })
})
after(async () => {
  await router.close()
  await rm(folder, { recursive: true })
})

describe('parley talk', () => {
  let link = ''
  // Both on one data folder, as on one machine.
  const invite = () => new Talker('--data', join(folder, 'data'), '--smp', router.address, '--name', 'Alice')
  const join_ = () => new Talker(link, '--data', join(folder, 'data'), '--name', 'Bob')

  test('shows a link with its picture, connects, carries messages both ways and ticks them', async () => {
    const alice = invite()
    await alice.hears(/█/)
    link = await alice.hears(/^https:\/\//)
    const bob = join_()
    bob.say('said before the connection is there')
    await bob.hears(/^Connected, end-to-end encrypted, post-quantum/)
    assert.equal(await alice.hears(/^Bob: /), 'Bob: said before the connection is there')
    await bob.hears(/^✓✓ said before/)
    alice.say('hello Bob')
    await bob.hears(/^Alice: hello Bob$/)
    await alice.hears(/^✓✓ hello Bob$/)
    assert.equal(await alice.interrupted(), 0)
    bob.say('you are away')
    await bob.hears(/^✓ you are away$/)
    assert.equal(await bob.leaves(), 0)
  })

  test('goes on after both left, with the history and the ticks that came meanwhile', async () => {
    const alice = invite()
    await alice.hears(/^Bob: said before/)
    await alice.hears(/^✓✓ hello Bob/)
    await alice.hears(/^Bob: you are away/)
    const bob = join_()
    await bob.hears(/^✓✓ said before/)
    await bob.hears(/^✓✓ you are away/)
    bob.say('back again')
    await alice.hears(/^Bob: back again/)
    assert.equal(await alice.interrupted(), 0)
    assert.equal(await bob.interrupted(), 0)
  })

  test('control characters of the peer do not reach the terminal', async () => {
    const alice = invite()
    const bob = join_()
    bob.say('\u001b[2Jgone\u0007')
    assert.equal(await alice.hears(/gone/), 'Bob: \ufffd[2Jgone\ufffd')
    await Promise.all([alice.interrupted(), bob.interrupted()])
  })

  test('--new begins another conversation', async () => {
    const alice = new Talker('--data', join(folder, 'data'), '--smp', router.address, '--new')
    assert.notEqual(await alice.hears(/^https:\/\//), link)
    assert.equal(await alice.interrupted(), 0)
  })

  test('an invitation that nobody used yet is shown again', async () => {
    const first = new Talker('--data', join(folder, 'again'), '--smp', router.address)
    const shown = await first.hears(/^https:\/\//)
    assert.equal(await first.interrupted(), 0)
    const second = new Talker('--data', join(folder, 'again'))
    assert.equal(await second.hears(/^https:\/\//), shown)
    assert.equal(await second.interrupted(), 0)
  })

  test('what is missing or malformed is said, with exit code 2; a used link with exit code 1', async () => {
    const none = await runParley(['talk', '--data', join(folder, 'none')])
    assert.equal(none.code, 2)
    assert.match(none.stderr, /parley smp serve/)
    const malformed = await runParley(['talk', 'https://example.org/nothing', '--data', join(folder, 'none')])
    assert.equal(malformed.code, 2)
    assert.match(malformed.stderr, /offset \d+/)
    const used = await runParley(['talk', link, '--data', join(folder, 'other')])
    assert.equal(used.code, 1)
    assert.match(used.stderr, /AUTH/)
  })
})
