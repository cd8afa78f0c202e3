import { percentiles } from '../acn/measures.ts'
import type { Talking, Way } from './network.ts'

type Column = Talking['way']

/** The values of a figure by the way that envelopes went. */
interface Row {
  readonly unit: string
  readonly values: Map<Column, number[]>
}

/** A figure over all rounds. */
export interface Summary {
  readonly name: string
  readonly unit: string
  readonly medians: Readonly<Partial<Record<Column, number>>>
  /** Medians over the plain way's. */
  readonly ratios: Readonly<Partial<Record<Way, number>>>
  /** Medians over those of the other program. */
  readonly toOther: Readonly<Partial<Record<Way, number>>>
  readonly values: Readonly<Partial<Record<Column, readonly number[]>>>
}

const COLUMNS: readonly Column[] = ['other', 'plain', 'classical', 'pq']
const CHANNELS = ['classical', 'pq'] as const
const TITLES = ['other', 'plain', 'channel', 'with PQ', 'ratio', 'with PQ', 'to other', 'with PQ']

/** Figures of channels beside those of the plain way. */
export class Table {
  readonly #rows = new Map<string, Row>()
  #printed = 0

  add(name: string, unit: string, way: Column, value: number): void {
    const row = this.#rows.get(name) ?? { unit, values: new Map() }
    this.#rows.set(name, row)
    row.values.set(way, [...(row.values.get(way) ?? []), value])
  }

  results(): Summary[] {
    return [...this.#rows].map(([name, { unit, values }]) => {
      const medians: Partial<Record<Column, number>> = {}
      for (const [way, all] of values) medians[way] = percentiles(all).p50
      const { plain, other } = medians
      const ratiosTo = (base: number | undefined) => {
        const ratios: Partial<Record<Way, number>> = {}
        for (const way of CHANNELS) {
          const median = medians[way]
          if (base !== undefined && median !== undefined) ratios[way] = median / base
        }
        return ratios
      }
      const ratios = ratiosTo(plain)
      return { name, unit, medians, ratios, toOther: ratiosTo(other), values: Object.fromEntries(values) }
    })
  }

  /** The rows that were not printed before. */
  print(write: (line: string) => void): void {
    if (this.#printed === 0) {
      write(`${''.padEnd(46)}${TITLES.map((title) => title.padStart(10)).join('')}`)
    }
    const rows = this.results()
    for (const { name, unit, medians, ratios, toOther } of rows.slice(this.#printed)) {
      const cells = [
        ...COLUMNS.map((way) => medians[way]),
        ...CHANNELS.map((way) => ratios[way]),
        ...CHANNELS.map((way) => toOther[way]),
      ].map(shown)
      write(`${`${name} (${unit})`.padEnd(46)}${cells.map((cell) => cell.padStart(10)).join('')}`)
    }
    this.#printed = rows.length
  }
}

function shown(value: number | undefined): string {
  if (value === undefined) return '-'
  return value.toFixed(value < 100 ? 2 : 0)
}
