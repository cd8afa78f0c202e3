const CELL = 9

/**
 * A table of all ordered pairs with a number each, as lines of text.
 * @param cells milliseconds from the row's agent to the column's; `undefined` where they are the same
 */
export function pairTable(names: readonly string[], cells: readonly (readonly (number | undefined)[])[]): string[] {
  const width = Math.max(...names.map((name) => name.length))
  const head = `${' '.repeat(width)}${names.map((name) => name.padStart(CELL)).join('')}`
  const rows = names.map((name, row) => {
    const numbers = names.map((_, column) => {
      const cell = cells[row]?.[column]
      return (cell === undefined ? '·' : cell.toFixed(1)).padStart(CELL)
    })
    return `${name.padEnd(width)}${numbers.join('')}`
  })
  return [head, ...rows]
}
