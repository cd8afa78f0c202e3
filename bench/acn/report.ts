/** One value that was measured. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly lowIsGood: boolean
}

/** A figure of each program, over all rounds. */
export interface Summary {
  readonly name: string
  readonly unit: string
  /** Medians by program. */
  readonly medians: Readonly<Record<string, number>>
  readonly values: Readonly<Record<string, readonly number[]>>
  /** Ours over the other's. */
  readonly ratio?: number
}

interface Entry {
  readonly unit: string
  readonly lowIsGood: boolean
  readonly values: Map<string, number[]>
  isPrinted: boolean
}

/** Gathers figures of rounds; medians and ratios of them. */
export class Report {
  readonly #print: (line: string) => void
  readonly #entries = new Map<string, Entry>()
  #hasTitle = false

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  add(program: string, { name, unit, value, lowIsGood }: Figure): void {
    const entry: Entry = this.#entries.get(name) ?? { unit, lowIsGood, values: new Map(), isPrinted: false }
    this.#entries.set(name, entry)
    const values = entry.values.get(program) ?? []
    values.push(value)
    entry.values.set(program, values)
  }

  results(): Summary[] {
    return [...this.#entries].map(([name, { unit, values }]) => {
      const medians = Object.fromEntries([...values].map(([program, all]) => [program, median(all)]))
      const [own, other] = Object.values(medians)
      const ratio = own !== undefined && other !== undefined ? { ratio: own / other } : {}
      return { name, unit, medians, values: Object.fromEntries(values), ...ratio }
    })
  }

  /** Prints what was not printed before. */
  print(): void {
    if (!this.#hasTitle) this.#print(`${''.padEnd(52)} ${'ours'.padStart(10)} ${'other'.padStart(10)}      ratio`)
    this.#hasTitle = true
    for (const { name, unit, medians, ratio } of this.results()) {
      const entry = this.#entries.get(name)
      if (!entry || entry.isPrinted) continue
      entry.isPrinted = true
      const { parley, other } = medians
      const isBetter = ratio !== undefined && (entry.lowIsGood ? ratio <= 1 : ratio >= 1)
      const compared = ratio === undefined ? '' : `${ratio.toFixed(2).padStart(10)} ${isBetter ? '' : '<'}`
      this.#print(`${name.padEnd(52)} ${shown(parley)} ${shown(other)} ${unit.padEnd(4)} ${compared}`)
    }
  }
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-'.padStart(10)
  return value.toFixed(value < 100 ? 2 : 0).padStart(10)
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}
