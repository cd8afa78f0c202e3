// `npm run bench -- smp|agent|acn|cards|channel [options]`: what the product does on this machine, in numbers.
const BENCHES = {
  smp: () => import('./smp.ts'),
  agent: () => import('./agent.ts'),
  acn: () => import('./acn.ts'),
  cards: () => import('./cards.ts'),
  channel: () => import('./channel.ts'),
} as const

/** What a bench module exports. */
export interface Bench {
  /** @param args options after the bench's name */
  run(args: readonly string[]): Promise<void>
}

const [name = '', ...args] = process.argv.slice(2)
if (!Object.hasOwn(BENCHES, name)) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [options]\n`)
  process.exit(2)
}
const bench: Bench = await BENCHES[name as keyof typeof BENCHES]()
try {
  await bench.run(args)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
