// Bundles the command line into one file, so that it starts fast: packages/parley/dist/parley.js.
// Runs in `prepare`, that is after every `npm ci`, with whatever Node npm runs on.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { build } = await import('esbuild').catch((error) => {
  // `npm ci --omit=dev` has nothing to bundle with, and must not fail for that.
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || process.env.npm_lifecycle_event !== 'prepare') throw error
  process.stderr.write('esbuild is not installed: the program is not bundled\n')
  process.exit(0)
})

const parley = new URL('../packages/parley/', import.meta.url)
const dist = fileURLToPath(new URL('dist/', parley))

// `lib/` beside the bundle is the library, which the compiler makes.
const old = await readdir(dist).catch(() => [])
for (const name of old) if (name !== 'lib') await rm(join(dist, name), { recursive: true, force: true })
await build({
  entryPoints: {
    parley: fileURLToPath(new URL('src/cli/main.ts', parley)),
    // The router's database runs in a thread of its own, whose file it looks for beside its own.
    'router-store-worker': fileURLToPath(new URL('../smp/src/router/sqlite/router-store-worker.ts', parley)),
    // The database thread of an ACN node: the program looks for it beside itself.
    'acn-store-worker': fileURLToPath(new URL('../acn/src/store/sqlite/acn-store-worker.ts', parley)),
  },
  outdir: dist,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  conditions: ['parley-source'],
  // Native code and WebAssembly that find their own files next to themselves.
  external: ['libsql', 'sodium-native', '@oqs/liboqs-js'],
  // Packages in the older module format call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  sourcemap: 'linked',
  legalComments: 'linked',
  logLevel: 'warning',
})
