/** Runs checks one after another or several at a time, prints each as it ends, and counts. */
export class Report {
  readonly #filter: RegExp
  readonly #notes: string[] = []
  #passed = 0
  #failed = 0

  /** @param filter only groups of checks whose name it matches are run */
  constructor(filter: RegExp) {
    this.#filter = filter
  }

  get failed(): number {
    return this.#failed
  }

  /** True when the group of checks with this name is to be run. */
  wants(name: string): boolean {
    return this.#filter.test(name)
  }

  /** Runs one check; what it throws is printed, and the others go on. True when it passed. */
  async check(name: string, run: () => Promise<unknown>): Promise<boolean> {
    const started = performance.now()
    try {
      await run()
      this.#passed++
      print(`✔ ${name} (${seconds(started)})`)
      return true
    } catch (error) {
      this.#failed++
      print(
        `✖ ${name} (${seconds(started)})\n${indent(error instanceof Error ? (error.stack ?? error.message) : String(error))}`,
      )
      return false
    }
  }

  /** Runs what prepares checks and runs them, when the group is wanted; a failure to prepare counts as one. */
  async group(name: string, run: () => Promise<void>): Promise<void> {
    if (!this.wants(name)) return
    try {
      await run()
    } catch (error) {
      await this.check(`${name}: preparation`, () => Promise.reject(error))
    }
  }

  /** A line for the end of the report. */
  note(line: string): void {
    this.#notes.push(line)
  }

  /** Prints the notes and `N passed, N failed`. */
  finish(): void {
    print(['', ...this.#notes, '', `${this.#passed} passed, ${this.#failed} failed`].join('\n'))
  }
}

/** Runs tasks, at most `limit` at a time. */
export async function inParallel<T>(
  limit: number,
  items: readonly T[],
  run: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await run(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
}

/** Prints one line of progress. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
