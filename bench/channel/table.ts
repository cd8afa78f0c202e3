import { percentiles } from '../acn/measures.ts'
import type { Way } from './network.ts'

/** The values of a figure by the way that envelopes went. */
interface Row {
  readonly unit: string
  readonly values: Map<Way, number[]>
}

/** A figure over all rounds. */
export interface Summary {
  readonly name: string
  readonly unit: string
  readonly medians: Readonly<Partial<Record<Way, number>>>
  /** Medians over the plain way's. */
  readonly ratios: Readonly<Partial<Record<Way, number>>>
  readonly values: Readonly<Partial<Record<Way, readonly number[]>>>
}

const WAYS: readonly Way[] = ['plain', 'classical', 'pq']

/** Figures of channels beside those of the plain way. */
export class Table {
  readonly #rows = new Map<string, Row>()
  #printed = 0

  add(name: string, unit: string, way: Way, value: number): void {
    const row = this.#rows.get(name) ?? { unit, values: new Map() }
    this.#rows.set(name, row)
    row.values.set(way, [...(row.values.get(way) ?? []), value])
  }

  results(): Summary[] {
    return [...this.#rows].map(([name, { unit, values }]) => {
      const medians: Partial<Record<Way, number>> = {}
      for (const [way, all] of values) medians[way] = percentiles(all).p50
      const ratios: Partial<Record<Way, number>> = {}
      const { plain } = medians
      for (const way of ['classical', 'pq'] as const) {
        const median = medians[way]
        if (plain !== undefined && median !== undefined) ratios[way] = median / plain
      }
      return { name, unit, medians, ratios, values: Object.fromEntries(values) }
    })
  }

  /** The rows that were not printed before. */
  print(write: (line: string) => void): void {
    if (this.#printed === 0) {
      const titles = ['plain', 'channel', 'with PQ', 'ratio', 'with PQ']
      write(`${''.padEnd(46)}${titles.map((title) => title.padStart(10)).join('')}`)
    }
    const rows = this.results()
    for (const { name, unit, medians, ratios } of rows.slice(this.#printed)) {
      const cells = [...WAYS.map((way) => shown(medians[way])), shown(ratios.classical), shown(ratios.pq)]
      write(`${`${name} (${unit})`.padEnd(46)}${cells.map((cell) => cell.padStart(10)).join('')}`)
    }
    this.#printed = rows.length
  }
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-'
  return value.toFixed(value < 100 ? 2 : 0)
}
