// `npm start [-- --text FILE]`: the whole product in one story, told while it happens.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { storyLines } from './lines.ts'
import { Story } from './story.ts'

/** The story takes seconds, and some tenths of one for each line and each message of a long line: longer, and something hangs. */
const LIMIT_MS = 100_000
const LIMIT_PER_LINE_MS = 200
const LIMIT_PER_BYTE_MS = 0.02

/** The file that the user named, as seen from where npm was started: npm itself goes to the root. */
function textFile(): string | undefined {
  const { text } = parseArgs({ options: { text: { type: 'string' } } }).values
  return text === undefined ? undefined : resolve(process.env.INIT_CWD ?? '', text)
}

const folder = await mkdtemp(join(tmpdir(), 'parley-story-'))
/** Nothing goes on after this; what runs ends with the process. */
async function giveUp(reason: string): Promise<void> {
  process.stdout.write(`\n✗ ${reason}\n`)
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
  process.exit(1)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => giveUp('The story was ended.'))
let limit: NodeJS.Timeout | undefined
try {
  const lines = storyLines(textFile())
  const all = Object.values(lines).flat() as string[]
  const bytes = all.reduce((sum, line) => sum + Buffer.byteLength(line), 0)
  const time = LIMIT_MS + LIMIT_PER_LINE_MS * all.length + LIMIT_PER_BYTE_MS * bytes
  limit = setTimeout(() => giveUp('The story did not come to its end.'), time)
  process.exitCode = (await new Story(folder, lines).tell()) ? 0 : 1
} catch (error) {
  process.stdout.write(`\n✗ ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  clearTimeout(limit)
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}
