import { existsSync } from 'node:fs'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { CliError } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'

const NAME = 'libp2p_node'

/** Adds `parley acn install-node`. */
export function addAcnInstallNodeCommand(acn: Command, terminal: Terminal): void {
  acn
    .command('install-node')
    .description('Put a libp2p_node where a Python connection expects the node that it has built')
    .argument('<path>', `the file to write, or the folder in which to write ${NAME}`)
    .option('--force', 'replace a file that is there, such as the Go program')
    .addHelpText('after', HELP)
    .action(async (path: string, { force = false }: { force?: boolean }) => {
      const file = await install(resolve(path), force)
      await printLine(terminal.output, file)
    })
}

const HELP = `
The file is a shell script that runs this installation of Parley on the Node that runs this command; signals and exit
codes are the node's own. Install again when either has moved. For a connection of open-aea:

  $ aea build                                        # or make its build directory by hand
  $ parley acn install-node --force .build/connection/valory/p2p_libp2p

Prints the path of the file.`

async function install(path: string, force: boolean): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const file = isFolder ? join(path, NAME) : path
  if (existsSync(file) && !force) throw new CliError(`${file} is there already; --force replaces it`)
  await mkdir(dirname(file), { recursive: true })
  // A program that runs is not written to: it keeps the old file.
  const temporary = `${file}.${process.pid}`
  try {
    await writeFile(temporary, scriptFor(process.execPath, launcher()), { mode: 0o755, flag: 'wx' })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return file
}

/** The launcher of this installation: seen from the bundle, and from this source. */
function launcher(): string {
  const places = ['../bin', '../../bin'].map((folder) => new URL(`${folder}/${NAME}.js`, import.meta.url))
  const found = places.map((place) => fileURLToPath(place)).find((place) => existsSync(place))
  if (found === undefined) throw new CliError(`this installation has no ${NAME}.js`)
  return found
}

function scriptFor(node: string, program: string): string {
  return `#!/bin/sh
# A node of the Agent Communication Network. Written by \`parley acn install-node\`: run it again when Parley has moved.
node=${quoted(node)}
program=${quoted(program)}
if [ ! -f "$program" ]; then
  echo "LIBP2P_NODE_PANIC_ERROR : $program is gone: run \\\`parley acn install-node\\\` again"
  exit 1
fi
if [ ! -x "$node" ]; then node=node; fi
exec "$node" "$program" "$@"
`
}

/** A word of the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
