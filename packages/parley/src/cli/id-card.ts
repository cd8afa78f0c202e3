import { readFile } from 'node:fs/promises'
import { toHex } from '@parley/core/encoding'
import { type Command, InvalidArgumentError } from 'commander'
import {
  type Attachment,
  CHANNEL_KEY_LENGTH,
  encodeSignedCard,
  MAX_CARD_LIFETIME,
  type SignedCard,
} from '../card/index.ts'
import { type CardContents, cardState, readCardFile, signCardFile } from '../identity/card-file.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type IdKeyOptions, idFolder, idKeyCommand, mending } from './id-options.ts'
import { readPassphrase } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

const DAY = 24 * 3_600_000

interface CardOptions extends IdKeyOptions {
  readonly link?: string
  readonly channelKey?: Uint8Array
  readonly days?: number
  readonly attach?: string
  readonly attachType: string
  readonly renew?: true
  readonly revoke?: true
}

/** Adds `parley id card`. */
export function addIdCardCommand(id: Command, terminal: Terminal): void {
  idKeyCommand(id, 'card', 'Sign a contact card, or show the newest one')
    .argument('<name>', 'name or address of the identity')
    .option('--link <link>', 'short link of the SimpleX contact address that the card leads to')
    .option(
      '--channel-key <key>',
      'Ed25519 public key of channels, 32 bytes in hexadecimal; default as before',
      channelKey,
    )
    .option('--days <days>', 'how long it holds, at most 400; default 30', days)
    .option('--attach <file>', 'data that goes with the card, such as an A2A agent card; at most 8 KiB')
    .option('--attach-type <type>', 'media type of the data', 'application/json')
    .option('--renew', 'sign what the card before said, for a new time')
    .option('--revoke', 'sign a card without a link: the identity cannot be reached by cards any more')
    .addHelpText(
      'after',
      `
Without --link, --renew and --revoke the newest card is shown, which needs no passphrase.

Examples:
  $ parley id card alice --link 'https://smp.example.org/a#…' --channel-key 5f2c…
  $ parley id card alice --renew --days 90`,
    )
    .action((name: string, options: CardOptions) => mending(() => card(name, options, terminal)))
}

async function card(name: string, options: CardOptions, terminal: Terminal): Promise<void> {
  const ways = [options.link !== undefined, options.renew, options.revoke].filter(Boolean).length
  if (ways > 1) throw new CliError('one of --link, --renew and --revoke', EXIT.malformed)
  const folder = idFolder(options)
  const identity = await folder.find(name)
  const file = folder.cardFileOf(identity.name)
  const previous = await readCardFile(file, identity)
  if (ways === 0) {
    if (!previous) throw new CliError(`no card was signed for ${identity.name} yet`)
    return print(previous, terminal)
  }
  const contents = await contentsOf(options, previous)
  const passphrase = await readPassphrase({ file: options.passphraseFile, of: identity.name }, terminal)
  const unlocked = await folder.unlock(identity.name, passphrase)
  await print(await signCardFile(file, unlocked, contents), terminal)
}

async function contentsOf(options: CardOptions, previous: SignedCard | undefined): Promise<CardContents> {
  const key = options.channelKey ?? previous?.card.channelKey
  if (!key) throw new CliError('--channel-key is needed for the first card', EXIT.malformed)
  const contactLink = options.renew ? previous?.card.contactLink : options.link
  if (options.renew && contactLink === undefined) throw new CliError('there is no card to renew, or it was revoked')
  const attachment = await attachmentOf(options, previous)
  return {
    channelKey: key,
    ...(contactLink !== undefined && { contactLink }),
    ...(options.days !== undefined && { lifetime: options.days * DAY }),
    ...(attachment && { attachment }),
  }
}

async function attachmentOf(options: CardOptions, previous: SignedCard | undefined): Promise<Attachment | undefined> {
  if (options.attach !== undefined) return { type: options.attachType, bytes: await readFile(options.attach) }
  const type = previous?.card.attachment?.type
  return options.renew && type && previous.attachment ? { type, bytes: previous.attachment } : undefined
}

async function print(signed: SignedCard, { output }: Terminal): Promise<void> {
  await printLine(output, JSON.stringify(readableCard(signed), undefined, 2))
}

/** A card for people, with its bytes for programs. */
export function readableCard(signed: SignedCard): Readonly<Record<string, unknown>> {
  const { ledgerId, address, publicKey, contactLink, sequence, attachment } = signed.card
  return {
    state: cardState(signed),
    ledger: ledgerId,
    address,
    publicKey,
    ...(contactLink !== undefined && { contactLink }),
    channelKey: toHex(signed.card.channelKey),
    ...datesOf(signed),
    sequence,
    ...(attachment && {
      attachment: { type: attachment.type, digest: toHex(attachment.digest), ...contentOf(signed) },
    }),
    bytes: toHex(encodeSignedCard(signed)),
  }
}

/** What is attached to a card, where it came with it and is JSON. */
function contentOf({ card, attachment }: SignedCard): { readonly content?: unknown } {
  if (!attachment || card.attachment?.type !== 'application/json') return {}
  try {
    return { content: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(attachment)) }
  } catch {
    // Whoever signed it called it so.
    return {}
  }
}

/** The times of a card, as texts. */
export function datesOf({ card: { issuedAt, notBefore, notAfter } }: SignedCard) {
  const text = (time: number) => new Date(time).toISOString()
  return { issuedAt: text(issuedAt), notBefore: text(notBefore), notAfter: text(notAfter) }
}

function channelKey(text: string): Uint8Array {
  if (!new RegExp(`^[0-9a-fA-F]{${CHANNEL_KEY_LENGTH * 2}}$`).test(text)) {
    throw new InvalidArgumentError('32 bytes in hexadecimal are needed')
  }
  return new Uint8Array(Buffer.from(text, 'hex'))
}

function days(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number * DAY > MAX_CARD_LIFETIME) {
    throw new InvalidArgumentError('a number from 1 to 400')
  }
  return number
}
