import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/**
 * Writes the figures of a bench to a file of its own in `bench/results`.
 * @param date ISO 8601
 * @returns the file
 */
export async function saveResults(bench: string, date: string, results: unknown): Promise<string> {
  const folder = fileURLToPath(new URL('./results/', import.meta.url))
  await mkdir(folder, { recursive: true })
  const file = `${folder}${bench}-${date.replace(/[:.]/g, '-')}.json`
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`)
  return file
}
