import { type Agent, AgentError } from '@parley/agent'
import { printLine, type Terminal } from '../cli/terminal.ts'
import { COMMANDS } from './commands.ts'
import { eventLine } from './event-lines.ts'
import { type Json, type JsonFields, toJson } from './json-values.ts'
import { type InputLine, MAX_LINE_LENGTH, readLines } from './lines.ts'
import { BadRequest, parseRequest, type Request, syntaxError } from './request.ts'

/** Requests that may be under way at once; further lines wait in the pipe. */
const MAX_REQUESTS = 64

/** Serves an agent over JSON lines until the input ends, `stop` is asked for or the terminal says so; closes it. */
export async function serveJsonLines(agent: Agent, terminal: Terminal): Promise<void> {
  const session = new JsonLinesSession(agent, terminal)
  await session.run()
}

class JsonLinesSession {
  readonly #agent: Agent
  readonly #terminal: Terminal
  readonly #underWay = new Set<Promise<void>>()
  /** Aborts when no more input is wanted. */
  readonly #ending = new AbortController()

  constructor(agent: Agent, terminal: Terminal) {
    this.#agent = agent
    this.#terminal = terminal
  }

  async run(): Promise<void> {
    const { stop } = this.#terminal
    const end = () => this.#ending.abort()
    stop.addEventListener('abort', end, { once: true })
    if (stop.aborted) end()
    const events = this.#printEvents()
    try {
      await this.#readRequests()
      // What was asked for is answered: work that takes long is stored by then or fails with its own time limit.
      await Promise.all(this.#underWay)
    } finally {
      stop.removeEventListener('abort', end)
      await this.#agent.close()
      await events
    }
  }

  async #printEvents(): Promise<void> {
    for await (const event of this.#agent.events()) await this.#print(eventLine(event))
  }

  async #readRequests(): Promise<void> {
    const { signal } = this.#ending
    if (signal.aborted) return
    const { input } = this.#terminal
    signal.addEventListener('abort', () => input.destroy(), { once: true })
    try {
      for await (const line of readLines(input)) {
        this.#start(line)
        if (this.#underWay.size >= MAX_REQUESTS) await Promise.race(this.#underWay)
      }
    } catch (error) {
      // Input that was closed on purpose ends with an error of the stream.
      if (!signal.aborted) throw error
    }
  }

  #start(line: InputLine): void {
    const request = this.#handle(line).finally(() => this.#underWay.delete(request))
    this.#underWay.add(request)
  }

  async #handle(line: InputLine): Promise<void> {
    try {
      if ('tooLong' in line) throw new BadRequest(null, `a line has at most ${MAX_LINE_LENGTH} characters`)
      const request = parseRequest(line.text)
      await this.#answer(request)
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error
      await this.#print({ id: error.id, error: errorJson(error.error) })
    }
  }

  async #answer({ id, cmd, fields }: Request): Promise<void> {
    try {
      const command = Object.hasOwn(COMMANDS, cmd) ? COMMANDS[cmd] : undefined
      if (!command) throw syntaxError(`unknown command ${cmd.slice(0, 40)}`)
      await this.#print({ id, result: await command(this.#agent, fields, this.#terminal.stop) })
      if (cmd === 'stop') this.#ending.abort()
    } catch (error) {
      await this.#print({ id, error: errorJson(error) })
    }
  }

  #print(line: JsonFields): Promise<void> {
    return printLine(this.#terminal.output, JSON.stringify(line))
  }
}

/** The original's tagged form, and what happened in words. */
function errorJson(error: unknown): Json {
  const known = error instanceof AgentError ? error : unexpected(error)
  return { ...(toJson(known) as JsonFields), message: known.message }
}

function unexpected(error: unknown): AgentError {
  const detail = error instanceof Error ? error.message : 'unknown'
  return new AgentError({ type: 'INTERNAL', detail }, { cause: error })
}
