import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Identity, type TestRouter, texts, World } from './fixture.ts'

const PROGRAM = fileURLToPath(new URL('./crash-node.ts', import.meta.url))
const PATIENCE = 120_000

interface Line {
  readonly event: string
  readonly id?: string
  readonly text?: string
  readonly card?: string
}

/** A node in a process of its own, started again when it has killed itself. */
class NodeProcess {
  readonly identity: Identity
  readonly #path: string
  readonly #router: string
  readonly lines: Line[] = []
  crashes = 0
  #child: ChildProcess | undefined
  #closing = false
  #changed = Promise.withResolvers<void>()

  constructor(path: string, identity: Identity, router: string) {
    this.#path = path
    this.identity = identity
    this.#router = router
  }

  /** @param step at whose n-th occurrence it kills itself, the first time only */
  start(step = '-', n = 1): void {
    const args = ['--conditions=parley-source', PROGRAM, this.#path, this.identity.name, this.#router, step, String(n)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    // A command may be on its way to a process that is gone.
    child.stdin?.on('error', () => undefined)
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Line)
      this.#wake()
    })
    child.once('exit', (_, signal) => {
      if (signal !== 'SIGKILL' || this.#closing) return
      this.crashes++
      this.lines.push({ event: 'crashed' })
      this.start()
    })
  }

  /** Waits until `found` gives something. */
  async until<T>(what: string, found: () => T | undefined | false): Promise<T> {
    const deadline = AbortSignal.timeout(PATIENCE)
    for (;;) {
      const value = found()
      if (value !== undefined && value !== false) return value
      const { promise, reject } = Promise.withResolvers<never>()
      const abort = () =>
        reject(new Error(`${this.identity.name}: no ${what}; ${JSON.stringify(this.lines.slice(-20))}`))
      deadline.addEventListener('abort', abort, { once: true })
      try {
        await Promise.race([this.#changed.promise, promise])
      } finally {
        deadline.removeEventListener('abort', abort)
      }
    }
  }

  /** Gives a command until it is answered, by whichever process. */
  async command(command: object, answer: (line: Line) => boolean): Promise<void> {
    await this.until('ready', () => this.lines.some(({ event }) => event === 'ready'))
    const isAnswered = () => this.lines.some(answer)
    while (!isAnswered()) {
      const { length } = this.lines
      this.#child?.stdin?.write(`${JSON.stringify(command)}\n`)
      await this.until('answer', () => isAnswered() || this.lines.slice(length).some(({ event }) => event === 'ready'))
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}

/** Steps of the side that opens, and of the one that accepts, in the order in which they are reached. */
const OPENER_STEPS = [
  ['link prepared', 1],
  ['request sent', 1],
  ['confirmation allowed', 1],
  ['connected', 1],
  ['proof sent', 1],
  ['proof verified', 1],
  ['channel open', 1],
  ['envelopes stored', 1],
  ['messages sent', 1],
  ['proof received', 1],
  ['proof acknowledged', 1],
  // The proof, then the first acknowledgement: later ones may go together.
  ['message received', 2],
  ['message stored', 2],
] as const
const ACCEPTOR_STEPS = [
  ['link prepared', 1],
  ['request accepted', 1],
  ['connected', 1],
  ['proof sent', 1],
  ['proof verified', 1],
  ['channel open', 1],
  ['proof received', 1],
  ['proof acknowledged', 1],
  ['message received', 2],
  ['message stored', 2],
  // In the middle of the envelope that comes in parts.
  ['message received', 8],
  ['message stored', 9],
  ['envelope given', 3],
  ['envelope taken', 3],
  ['messages sent', 1],
] as const

describe('a process that is killed', { concurrency: 2 }, () => {
  const world = new World()
  let router: TestRouter
  before(async () => {
    router = await world.router()
  })
  after(() => world[Symbol.asyncDispose]())

  const cases = [
    ...OPENER_STEPS.map(([step, n]) => ({ side: 'opener', step, n }) as const),
    ...ACCEPTOR_STEPS.map(([step, n]) => ({ side: 'acceptor', step, n }) as const),
  ]
  for (const { side, step, n } of cases) {
    it(`at "${step}" ${n} as ${side} loses no envelope, and each is taken once, in order`, async () => {
      const name = `${side} ${step} ${n}`.replaceAll(' ', '-')
      const opener = new NodeProcess(join(world.dir, `${name}-a`), new Identity(`${name} a`), router.address)
      const acceptor = new NodeProcess(join(world.dir, `${name}-b`), new Identity(`${name} b`), router.address)
      try {
        opener.start(side === 'opener' ? step : '-', n)
        acceptor.start(side === 'acceptor' ? step : '-', n)
        const card = await acceptor.until('card', () => acceptor.lines.find((line) => line.card)?.card)
        const cardFile = join(world.dir, `${name}.card`)
        writeFileSync(cardFile, card)
        const peer = acceptor.identity.address
        await opener.command({ open: cardFile, peer }, ({ event }) => event === 'opening')
        // The fifth goes in parts.
        const list = texts(6).map((text, i) => (i === 4 ? text.repeat(10_000) : text))
        for (const [i, text] of list.entries()) {
          // The rest when the first ones are delivered: what the step leads to is there by then.
          const id = (i + 1).toString(16).padStart(32, '0')
          await opener.command({ send: text, id, peer }, (line) => line.event === 'accepted' && line.id === id)
          if (i !== 2) continue
          // An event is told once: a process that is killed between storing and telling does not tell it.
          await opener.until(
            'delivered',
            () => opener.crashes > 0 || opener.lines.some((line) => line.event === 'delivered' && line.id === id),
          )
        }
        const taken = await acceptor.until('last envelope', () => {
          const given = acceptor.lines.filter(({ event }) => event === 'envelope')
          return given.some(({ text }) => text === list.at(-1)) && given
        })
        const id = list.length.toString(16).padStart(32, '0')
        await opener.until('delivered', () => opener.lines.some((line) => line.event === 'delivered' && line.id === id))
        assert.equal(opener.crashes + acceptor.crashes, 1, 'the step was reached')
        // What was given and not taken when the process was killed is given once more, with its id.
        const unique = taken.filter(({ id }, i) => taken.findIndex((line) => line.id === id) === i)
        assert.deepEqual(
          unique.map(({ text }) => text),
          list,
        )
        const repeated = side === 'acceptor' ? 3 : 0
        assert.ok(taken.length - unique.length <= repeated, `${taken.length} given`)
      } finally {
        await opener.close()
        await acceptor.close()
      }
    })
  }
})
