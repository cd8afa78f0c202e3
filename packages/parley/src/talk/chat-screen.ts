import { createInterface, type Interface } from 'node:readline'
import type { WriteStream } from 'node:tty'
import type { Terminal } from '../cli/terminal.ts'
import { displayRows, displayText } from './display-text.ts'
import type { TalkMessage, TalkState } from './history.ts'

const TICKS: Record<TalkState, string> = {
  pending: '· ',
  waiting: '… ',
  sent: '✓ ',
  received: '✓✓',
  failed: '✗ ',
}

/** Column of the ticks, counted from 1: behind the time and a space. */
const TICK_COLUMN = 7
const PROMPT = '> '

/** What the user does. */
export interface ChatInput {
  /** A line was entered. */
  onLine(text: string): void
  /** The input has ended (Ctrl-D). */
  onEnd(): void
  /** Ctrl-C. */
  onInterrupt(): void
}

/** A conversation on a screen, or as lines where there is no terminal. */
export interface ChatScreen {
  /** Shows a message with its ticks. */
  show(message: TalkMessage): void
  /** The ticks of a shown message have changed. */
  update(message: TalkMessage): void
  /** Shows a line that is not part of the conversation. */
  notice(text: string): void
  /** The peer's own name. */
  setPeer(name: string): void
  close(): void
}

/** The screen for a terminal, or lines when the output is not one. */
export function openScreen({ input, output }: Terminal, user: ChatInput): ChatScreen {
  const isTerminal = 'isTTY' in output && output.isTTY === true
  const readline = createInterface({ input, output, terminal: isTerminal, prompt: PROMPT, historySize: 0 })
  const screen = isTerminal ? new TerminalScreen(readline, output as WriteStream) : new LineScreen(readline, output)
  readline
    .on('line', (line) => user.onLine(line))
    .on('SIGINT', () => user.onInterrupt())
    .on('close', () => user.onEnd())
  return screen
}

function timeOf(at: number): string {
  const date = new Date(at)
  return `${`${date.getHours()}`.padStart(2, '0')}:${`${date.getMinutes()}`.padStart(2, '0')}`
}

/** Plain lines: `name: text` of the peer, and own texts each time their ticks change. */
class LineScreen implements ChatScreen {
  readonly #readline: Interface
  readonly #output: Terminal['output']
  #peer = 'peer'

  constructor(readline: Interface, output: Terminal['output']) {
    this.#readline = readline
    this.#output = output
  }

  show(message: TalkMessage): void {
    if (message.mine) this.update(message)
    else this.notice(`${this.#peer}: ${displayText(message.text)}`)
  }

  update({ state, text }: TalkMessage): void {
    this.notice(`${TICKS[state].trim()} ${displayText(text)}`)
  }

  notice(text: string): void {
    this.#output.write(`${text}\n`)
  }

  setPeer(name: string): void {
    this.#peer = displayText(name).replaceAll('\n', ' ')
  }

  close(): void {
    this.#readline.close()
  }
}

/** What was printed above the prompt: how many rows it takes, and which message it is. */
interface Printed {
  readonly rows: number
  readonly id?: number
}

/** Messages above, the prompt below; ticks are drawn in place as long as the message is on the screen. */
class TerminalScreen implements ChatScreen {
  readonly #readline: Interface
  readonly #output: WriteStream
  #printed: Printed[] = []
  #peer = 'peer'

  constructor(readline: Interface, output: WriteStream) {
    this.#readline = readline
    this.#output = output
    // Rows are other ones after that: what is above the prompt is left as it is.
    output.on('resize', () => {
      this.#printed = []
    })
    readline.on('line', (line) => this.#eraseEntered(line))
    readline.prompt()
  }

  show(message: TalkMessage): void {
    const name = message.mine ? 'you' : this.#peer
    const ticks = message.mine ? TICKS[message.state] : '  '
    this.#print(`${timeOf(message.at)} ${ticks} ${name}: ${indent(displayText(message.text))}`, message.id)
  }

  update(message: TalkMessage): void {
    const index = this.#printed.findIndex(({ id }) => id === message.id)
    if (index < 0) return
    const below = this.#printed.slice(index).reduce((rows, printed) => rows + printed.rows, 0)
    const up = below + this.#readline.getCursorPos().rows
    if (up >= this.#output.rows) return
    this.#output.write(`\x1b7\x1b[${up}A\x1b[${TICK_COLUMN}G${TICKS[message.state]}\x1b8`)
  }

  notice(text: string): void {
    this.#print(text)
  }

  setPeer(name: string): void {
    this.#peer = displayText(name).replaceAll('\n', ' ')
  }

  close(): void {
    this.#readline.close()
    this.#output.write('\n')
  }

  /** Writes above the prompt and draws that again with what was typed so far. */
  #print(text: string, id?: number): void {
    const { rows } = this.#readline.getCursorPos()
    if (rows > 0) this.#output.write(`\x1b[${rows}A`)
    this.#output.write(`\r\x1b[J${text}\n`)
    this.#printed.push({ rows: displayRows(text, this.#output.columns), ...(id !== undefined && { id }) })
    if (this.#printed.length > this.#output.rows) this.#printed.shift()
    this.#readline.prompt(true)
  }

  /** The entered line is shown again as a message: its echo goes. */
  #eraseEntered(line: string): void {
    this.#output.write(`\x1b[${displayRows(PROMPT + line, this.#output.columns)}A\r\x1b[J`)
    this.#readline.prompt()
  }
}

/** Lines after the first start under the text. */
function indent(text: string): string {
  return text.replaceAll('\n', `\n${' '.repeat(TICK_COLUMN + 2)}`)
}
