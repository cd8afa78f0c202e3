// `npm start [-- --text FILE]`: the whole product in one story, told while it happens.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { storyLines } from './lines.ts'
import { Story } from './story.ts'

/** The story takes seconds, and some tenths of one for each line: when it takes this long something hangs. */
const LIMIT_MS = 50_000
const LIMIT_PER_LINE_MS = 200

/** The file that the user named, as seen from where npm was started: npm itself goes to the root. */
function textFile(): string | undefined {
  const { text } = parseArgs({ options: { text: { type: 'string' } } }).values
  return text === undefined ? undefined : resolve(process.env.INIT_CWD ?? '', text)
}

const folder = await mkdtemp(join(tmpdir(), 'parley-story-'))
let limit: NodeJS.Timeout | undefined
try {
  const lines = storyLines(textFile())
  const count = Object.values(lines).flat().length
  limit = setTimeout(
    () => {
      process.stdout.write('\n✗ The story did not come to its end.\n')
      process.exit(1)
    },
    LIMIT_MS + LIMIT_PER_LINE_MS * count,
  )
  process.exitCode = (await new Story(folder, lines).tell()) ? 0 : 1
} catch (error) {
  process.stdout.write(`\n✗ ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  clearTimeout(limit)
  await rm(folder, { recursive: true, force: true })
}
