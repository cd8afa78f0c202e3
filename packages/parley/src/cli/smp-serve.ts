import { EncodeError } from '@parley/core/encoding'
import { IdentityError, SmpRouter, StoreError, StoreLockedError } from '@parley/smp/router'
import { type Command, Option } from 'commander'
import { CliError, EXIT } from './exit-codes.ts'
import { hostsOption, portOption } from './options.ts'
import { printLine, stopped, type Terminal } from './terminal.ts'
import { keepYoungGenerationSmall } from './young-generation.ts'

interface ServeOptions {
  readonly data: string
  readonly port: number
  readonly host: string
  readonly addressHost?: [string, ...string[]]
  readonly password?: string
  readonly algorithm: 'ed25519' | 'ed448'
  readonly json?: true
}

/** Adds `parley smp serve`. */
export function addSmpCommands(program: Command, terminal: Terminal): void {
  const smp = program
    .command('smp')
    .description('SMP routers: the servers that hold encrypted messages in queues')
    .addHelpText('after', '\nExample:\n  $ parley smp serve --data ./router')
  smp
    .command('serve')
    .description('Run an SMP router until it is stopped, and print its address')
    .requiredOption('--data <dir>', 'folder of its database, certificates and keys; made when missing')
    .option('--port <port>', 'TCP port to listen on, 0 for any free one', portOption, 5223)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--address-host <host,…>', 'host names shown in the address instead of --host', hostsOption)
    .option('--password <password>', 'what clients must know to create queues')
    .addOption(
      new Option('--algorithm <name>', 'of the certificates that are made at the first start')
        .choices(['ed25519', 'ed448'])
        .default('ed25519'),
    )
    .option('--json', 'print the address as JSON')
    .addHelpText(
      'after',
      `
Example:
  $ parley smp serve --data ./router --port 5223
  smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:5223

Listens on loopback unless --host says otherwise. SIGINT or SIGTERM stops it after everything is stored: exit
code 0; 1 when it cannot start, 2 for arguments that make no sense.`,
    )
    .action((options: ServeOptions) => serve(options, terminal))
}

async function serve(options: ServeOptions, { output, stop }: Terminal): Promise<void> {
  keepYoungGenerationSmall()
  await using router = await start(options)
  await printLine(
    output,
    options.json ? JSON.stringify({ address: router.address, port: router.port }) : router.address,
  )
  await stopped(stop)
}

async function start({ data, port, host, addressHost, password, algorithm }: ServeOptions): Promise<SmpRouter> {
  try {
    return await SmpRouter.start({
      dataDir: data,
      port,
      host,
      certificateAlgorithm: algorithm,
      ...(addressHost && { addressHosts: addressHost }),
      ...(password !== undefined && { password }),
    })
  } catch (error) {
    if (error instanceof EncodeError) throw new CliError(`no address can be made: ${error.message}`, EXIT.malformed)
    const expected = [StoreError, StoreLockedError, IdentityError].some((kind) => error instanceof kind)
    if (!expected && !(error instanceof Error && 'code' in error)) throw error
    throw new CliError(`the router cannot start: ${(error as Error).message}`, undefined, { cause: error })
  }
}
