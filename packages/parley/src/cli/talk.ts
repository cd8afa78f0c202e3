import { readLedgerAddress } from '@parley/acn/record'
import { type ConnectionLink, isHostOnly, parseConnectionLink } from '@parley/agent/links'
import { DecodeError } from '@parley/core/encoding'
import { formatSmpServer } from '@parley/smp/protocol'
import type { Command } from 'commander'
import { AddressConversation } from '../talk/address-conversation.ts'
import { Conversation } from '../talk/conversation.ts'
import { ConversationFolder, defaultDataFolder } from '../talk/conversation-folder.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type MessengerOptions, messengerOptions, openMessenger } from './messenger-options.ts'
import { openAgent } from './open-agent.ts'
import { listOption } from './options.ts'
import type { Terminal } from './terminal.ts'

interface TalkOptions extends MessengerOptions {
  readonly smp?: [string, ...string[]]
  readonly name: string
  readonly new?: true
}

const NO_ROUTER = `no router is given: a conversation needs one that holds messages until they are read.
Run one with \`parley smp serve --data ./router\` and give its address: \`parley talk --smp smp://…\``

/** Adds `parley talk`. */
export function addTalkCommand(program: Command, terminal: Terminal): void {
  messengerOptions(
    program
      .command('talk')
      .description('Talk with one person: by ledger address, by a link, or by an invitation, and chat')
      .argument('[address-or-link]', 'ledger address of the other side, or the link that it gave you')
      .option('--data <dir>', 'data folder; default $XDG_DATA_HOME/parley or ~/.parley'),
  )
    .option('--smp <address,…>', 'routers for your side; default those of before, or the one of the link', listOption)
    .option('--name <name>', 'what the other person sees as your name', '')
    .option('--new', 'make a new invitation instead of going on with the last conversation begun here')
    .addHelpText(
      'after',
      `
Examples:
  $ parley talk --smp smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:5223 --name Alice
  $ parley talk 'https://127.0.0.1/i#…' --name Bob
  $ parley talk fetch1… --entry /dns4/… --smp smp://…

By address you are a ledger identity (\`parley id\`), and --entry, --smp, --private and --unlisted say how; a node that runs
on the data folder (\`parley up\`) is used as it is. --name and --new are for conversations without addresses.

Ticks: · on its way, … waiting, ✓ stored by the router, ✓✓ received, ✗ failed. Ctrl-C leaves at any moment and loses
nothing: the same command goes on with the conversation. Ctrl-D leaves once everything is sent.`,
    )
    .action((given: string | undefined, options: TalkOptions) => {
      const address = given === undefined ? undefined : readLedgerAddress(given)
      return address === undefined ? talk(given, options, terminal) : talkWith(address, options, terminal)
    })
}

async function talk(link: string | undefined, options: TalkOptions, terminal: Terminal): Promise<void> {
  const parsed = link === undefined ? undefined : parseLink(link)
  const dataFolder = options.data ?? defaultDataFolder()
  if (options.new && link === undefined) ConversationFolder.putAside(dataFolder)
  const folder = ConversationFolder.open(dataFolder, link)
  const servers = options.smp ?? folder.record?.servers ?? (parsed && serversOf(parsed))
  if (!servers) throw new CliError(NO_ROUTER, EXIT.malformed)
  const agent = await openAgent({ store: folder.storePath, servers })
  await new Conversation({ agent, folder, terminal, servers, link, name: options.name }).run()
}

async function talkWith(peer: string, options: TalkOptions, terminal: Terminal): Promise<void> {
  const messenger = await openMessenger(options, terminal)
  const dataFolder = options.data ?? defaultDataFolder()
  await new AddressConversation({ messenger, peer, dataFolder, terminal }).run()
}

function parseLink(link: string): ConnectionLink {
  try {
    return parseConnectionLink(link)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new CliError(`malformed link at offset ${error.offset}: ${error.reason}`, EXIT.malformed)
  }
}

/** The router that the link names, unless it names only its host. */
function serversOf(link: ConnectionLink): [string, ...string[]] | undefined {
  if (link.type === 'full') return [formatSmpServer(link.request.queues[0].server)]
  const { server } = link.link
  if (isHostOnly(server)) return undefined
  // Long links are cut where they are copied by hand.
  if (server.keyHash.length === 0) throw new CliError('the end of the link is missing: c=…', EXIT.malformed)
  return [formatSmpServer(server)]
}
