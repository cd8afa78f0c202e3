import { readFile } from 'node:fs/promises'
import { NodeSettingsError, parseEnvFile, readNodeSettings } from '@parley/acn/protocol'
import type { Command } from 'commander'
import { inTermsOfConfig } from '../node/acn-settings.ts'
import { PRIVATE_ENV, readPrivateEnvironment } from '../node/private-settings.ts'
import { storePassphraseOfEnvironment } from '../node/store-passphrase.ts'
import { type AcnConfig, NODE_TABLE, readAcnConfig } from './acn-config.ts'
import { addAcnInspectCommand } from './acn-inspect.ts'
import { addAcnInstallNodeCommand } from './acn-install-node.ts'
import { addAcnKeyCommands } from './acn-keys.ts'
import { addAcnTraceCommand } from './acn-trace.ts'
import { EXIT } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'
import { keepYoungGenerationSmall } from './young-generation.ts'

/** Adds `parley acn` and what belongs to it. */
export function addAcnCommands(program: Command, terminal: Terminal): void {
  const acn = program
    .command('acn')
    .description('Agent Communication Network: run a node; keys, addresses, records, messages')
    .argument('[env-file]', 'environment of the node as KEY=VALUE lines, as libp2p_node takes it')
    .option('--config <file>', 'configuration of the node as TOML, see below')
    .addHelpText('after', CONFIG_HELP)
    .action((envFile: string | undefined, { config }: { config?: string }) => run(envFile, config, terminal))
  addAcnKeyCommands(acn, terminal)
  addAcnInspectCommand(acn, terminal)
  addAcnTraceCommand(acn, terminal)
  addAcnInstallNodeCommand(acn, terminal)
}

const CONFIG_HELP = `
The TOML file has these keys; paths are relative to it:

  [node]
  key_file = "peer.key"                 # private key of the peer, hexadecimal ("parley acn keygen --ledger peer")
  listen = "0.0.0.0:9000"
  public = "acn.example.org:9000"       # what others connect to; without it the node is a relay client
  entry_peers = ["/dns4/other.example.org/tcp/9000/p2p/16Uiu2HA…"]
  delegate = "0.0.0.0:11000"            # services for agents; left out: none
  mailbox = "0.0.0.0:8888"
  monitoring = "127.0.0.1:8080"         # /metrics, /livez, /readyz
  data = "acn-data"                     # folder of the durable store; else one in the current folder
  passphrase_file = "data.passphrase"   # its first line encrypts the databases; left out: not encrypted
  registration_delay = 0                # seconds
  sender_check = "refuse"               # or "log"
  challenge = "offered"                 # fresh proofs of agents that can give them; "required" of all; "off"

  [agent]                               # the node's own agent, left out when there is none
  port = 10000                          # port of this machine on which it listens for its node
  record = "agent-record.json"          # its record for this peer ("parley acn record make")

  [private]                             # envelopes to agents that have a contact card travel in a private channel
  smp = ["smp://…"]                     # routers at which this node receives; without one nothing is private
  mode = "prefer"                       # "require": never the plain way; "off": always the plain way
  lookup = "private"                    # who asks for a card is hidden when it can be; "required": always; "direct"
  policy = "everyone"                   # who may open a channel; "allow": those of allow = ["fetch1…"];
                                        # "ask": "parley requests --data DATA" answers

For an env file the variables PARLEY_PRIVATE, PARLEY_LOOKUP and PARLEY_SMP_SERVERS (comma-separated) say mode, lookup and
smp, and PARLEY_STORE_PASSPHRASE_FILE names the passphrase_file.

Prints the node's multiaddr between MULTIADDRS_LIST_START and MULTIADDRS_LIST_END. SIGINT or SIGTERM stops the node: exit
code 0. What keeps it from starting or going on is a line with LIBP2P_NODE_PANIC_ERROR, with exit code 2; 1 when a file
cannot be read.`

async function run(envFile: string | undefined, config: string | undefined, terminal: Terminal): Promise<void> {
  keepYoungGenerationSmall()
  const print = (line: string) => void printLine(terminal.output, line)
  try {
    if (config !== undefined && envFile !== undefined) throw new Error('an env file or --config, not both')
    const read = config === undefined ? await readEnvironment(envFile) : await readAcnConfig(config)
    const withoutRouter = config === undefined ? PRIVATE_ENV.smp : 'private.smp'
    // Loaded when a node is run: libp2p would double the time in which every other command starts.
    const { runAcnNode } = await import('./acn-run.ts')
    await runAcnNode(read, { print, stop: terminal.stop, withoutRouter })
  } catch (error) {
    // Those who start a node look for this in its output.
    await printLine(
      terminal.output,
      `LIBP2P_NODE_PANIC_ERROR : ${reasonOf(config === undefined ? error : inTermsOfConfig(error, NODE_TABLE))}`,
    )
    process.exitCode = isUnreadable(error) ? EXIT.failed : EXIT.malformed
  }
}

/** The Go node ends with 1 when there is no env file, and with 2 for everything else. */
function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'open'
}

async function readEnvironment(envFile: string | undefined): Promise<AcnConfig> {
  if (envFile === undefined) throw new Error('an env file, or --config, is needed')
  const environment = { ...process.env, ...Object.fromEntries(parseEnvFile(await readFile(envFile, 'utf8'))) }
  const settings = readNodeSettings(environment)
  const { storagePaths } = await import('@parley/acn/node')
  const passphrase = await storePassphraseOfEnvironment(environment)
  return { options: { settings, passphrase, ...storagePaths(settings) }, privacy: readPrivateEnvironment(environment) }
}

/** Reasons of ours in full; of the system's errors the code, as their texts may hold what was read. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure'
  const reason = error.message.replaceAll(/\s+/g, ' ')
  return error instanceof NodeSettingsError ? `while reading the environment: ${reason}` : reason
}
