// `parley talk` is killed at the worst moments; the same command goes on with the conversation.
import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { JsonlProcess } from './jsonl-process.ts'
import { type Ending, ending, runParley, spawnParley } from './parley.ts'
import { of, World } from './world.ts'

const TIME = { timeout: 90_000 }

let world: World
let peer: JsonlProcess
before(async () => {
  world = await World.start()
  peer = world.agent(world.folder('peer'))
}, TIME)
after(async () => {
  assert.equal(await peer.end(), 0)
  await world.stop()
})

/** A conversation whose input and output are no terminal: lines. */
class Talk {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: string[] = []
  readonly ended: Promise<Ending>
  #wake = Promise.withResolvers<void>()
  #isEnded = false

  constructor(...args: readonly string[]) {
    this.child = spawnParley(['talk', ...args])
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => this.#add(`stderr: ${text}`))
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#add(line))
    this.ended = ending(this.child).finally(() => {
      this.#isEnded = true
      this.#wake.resolve()
    })
  }

  #add(line: string): void {
    this.lines.push(line)
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  /** The first line that matches. */
  async shows(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line))
      if (found !== undefined) return found
      if (this.#isEnded) throw new Error(`ended without ${pattern}: ${this.lines.join('\n')}`)
      await this.#wake.promise
    }
  }

  says(text: string): void {
    this.child.stdin.write(`${text}\n`)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ending> {
    this.child.kill(signal)
    return this.ended
  }
}

/** The peer, which speaks JSON lines, allows whoever joined. */
async function allow(connId: string): Promise<void> {
  const { confId } = await peer.next('CONF', of(connId))
  await peer.request('allowConnection', { connId, confId, info: 'Peer' })
}

describe('talk', TIME, () => {
  test('killed as soon as the other side sees it: the same command goes on', async () => {
    for (let wait = 0; wait < 6; wait++) {
      const folder = world.folder('joiner')
      const { connId, shortLink } = await peer.request<Record<string, string>>('createConnection', {
        mode: 'invitation',
      })
      const args = [`${shortLink}`, '--data', folder]
      const first = new Talk(...args)
      await peer.line((line) => line.event === 'CONF' && line.connId === connId)
      // Not to wait for something: the kill falls on another of the steps that follow each time.
      await delay(wait)
      await first.kill()
      const second = new Talk(...args)
      await allow(`${connId}`)
      await second.shows(/^Connected/)
      second.says('still me')
      assert.equal((await peer.next('MSG', of(`${connId}`))).text, 'still me')
      assert.equal(await second.kill('SIGINT'), 0)
    }
  })

  test('killed in a conversation: what was entered, said and ticked is there again', async () => {
    const folder = world.folder('talker')
    const args = ['--smp', world.router.address, '--data', folder, '--name', 'Talker']
    const first = new Talk(...args)
    const link = await first.shows(/^https:/)
    first.says('entered before anybody is there')
    await first.shows(/^· entered before/)
    await first.kill()

    const second = new Talk(...args)
    assert.equal(await second.shows(/^https:/), link, 'the same invitation')
    const { connId } = await peer.request<{ connId: string }>('joinConnection', { link, info: 'Peer\u001b[2J' })
    const message = await peer.next('MSG', of(connId))
    assert.equal(message.text, 'entered before anybody is there')
    await peer.request('ackMessage', { connId, msgId: message.msgId, receipt: true })
    await second.shows(/^✓✓ entered before/)
    await peer.request('sendMessage', { connId, text: 'hello' })
    assert.ok(!(await second.shows(/: hello$/)).includes('\u001b'), 'the name of the peer is text')
    await second.kill()

    await peer.request('sendMessage', { connId, text: 'while you were away' })
    const third = new Talk(...args)
    await third.shows(/: while you were away$/)
    const said = third.lines.filter((line) => /entered before|hello/.test(line))
    assert.deepEqual(
      said.map((line) => line.replace(/^.*: /, '')),
      ['✓✓ entered before anybody is there', 'hello'],
    )
    assert.equal(await third.kill('SIGINT'), 0)
  })

  test('the end of the input leaves once everything is sent', async () => {
    const { connId, shortLink } = await peer.request<Record<string, string>>('createConnection', { mode: 'invitation' })
    const talk = new Talk(`${shortLink}`, '--data', world.folder('piped'))
    for (const line of ['one', 'two', 'three']) talk.says(line)
    talk.child.stdin.end()
    await allow(`${connId}`)
    assert.equal(await talk.ended, 0)
    for (const text of ['one', 'two', 'three']) {
      const message = await peer.next('MSG', of(`${connId}`))
      assert.equal(message.text, text)
      await peer.request('ackMessage', { connId, msgId: message.msgId })
    }
  })

  test('a second one on the same conversation, a used link and a cut link are told from each other', async () => {
    const { connId, shortLink } = await peer.request<Record<string, string>>('createConnection', { mode: 'invitation' })
    const link = `${shortLink}`
    const folder = world.folder('first')
    const first = new Talk(link, '--data', folder)
    await allow(`${connId}`)
    await first.shows(/^Connected/)
    for (const [args, code, message] of [
      [[link, '--data', folder], 1, /in use by another agent/],
      [[link, '--data', world.folder('other')], 1, /the link is used or not valid any more/],
      [[link.replace(/&c=.*/, ''), '--data', world.folder('cut')], 2, /the end of the link is missing/],
      [[link.replace(/#.*/, ''), '--data', world.folder('cut')], 2, /malformed link at offset \d+/],
    ] as const) {
      const result = await runParley(['talk', ...args])
      assert.deepEqual([result.code, result.stdout], [code, ''])
      assert.match(result.stderr, message)
      assert.doesNotMatch(result.stderr, /^\s+at /m)
    }
    assert.equal(await first.kill('SIGTERM'), 0)
  })
})
