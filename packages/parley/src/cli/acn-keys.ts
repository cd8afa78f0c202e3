import { readFile, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import {
  AcnStatusError,
  agentCid,
  encodeAgentRecord,
  peerIdOf,
  peerPublicKeyFromHex,
  publicKeyOfPeerId,
} from '@parley/acn/protocol'
import {
  createRecord,
  LEDGERS,
  type Ledger,
  ledgerOf,
  PeerKey,
  startOfDay,
  verifyRepresentation,
} from '@parley/acn/record'
import { DecodeError, toHex } from '@parley/core/encoding'
import { type Command, InvalidArgumentError } from 'commander'
import { readAeaKey } from '../identity/aea-keys.ts'
import { LedgerIdentityError } from '../identity/identity-error.ts'
import { newPrivateKey } from '../identity/identity-folder.ts'
import { readRecordText } from '../node/acn-record-text.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'

/** A ledger, or the peers' own kind of key. */
type KeyKind = Ledger | 'peer'

const KINDS = [...LEDGERS.map(({ ledgerId }) => ledgerId), 'peer'].join(', ')

/** Adds `parley acn keygen`, `address`, `record` and `cid`. */
export function addAcnKeyCommands(acn: Command, terminal: Terminal): void {
  const print = (value: unknown) => printLine(terminal.output, JSON.stringify(value, undefined, 2))
  acn
    .command('keygen')
    .description('Make a private key, and show its public key and address')
    .requiredOption('--ledger <ledger>', `one of ${KINDS}`, keyKind)
    .option('--out <file>', 'write the key there, readable for you alone, instead of printing it')
    .action(async ({ ledger, out }: { ledger: KeyKind; out?: string }) => {
      const privateKey = newKey(ledger)
      const hex = toHex(privateKey)
      if (out !== undefined) await writeFile(out, `${hex}\n`, { mode: 0o600, flag: 'wx' })
      await print({ ...(out === undefined && { privateKey: hex }), ...publicParts(ledger, privateKey) })
    })
  acn
    .command('address')
    .description('Show the address of a key; of a peer, its id')
    .requiredOption('--ledger <ledger>', `one of ${KINDS}`, keyKind)
    .option('--key <file>', 'file of a private key, hexadecimal')
    .option('--public-key <key>', "public key in the ledger's own form")
    .action(async ({ ledger, key, publicKey }: { ledger: KeyKind; key?: string; publicKey?: string }) => {
      if (key !== undefined) return print(publicParts(ledger, await readKey(key)))
      if (publicKey === undefined) throw new CliError('--key or --public-key is needed', EXIT.malformed)
      return print(addressOf(ledger, publicKey))
    })
  const record = acn.command('record').description('Records by which an agent takes a peer as its representative')
  record
    .command('make')
    .description('Make a record and sign it')
    .requiredOption('--ledger <ledger>', `one of ${KINDS}`, keyKind)
    .requiredOption('--key <file>', "file of the agent's private key, hexadecimal")
    .requiredOption(
      '--peer-public-key <key>',
      "the peer's public key, 33 bytes in hexadecimal, or its id",
      peerPublicKeyOf,
    )
    .option('--not-before <day>', 'when validity begins: YYYY-MM-DD, at 0:00 UTC', day)
    .option('--not-after <day>', 'when it ends', day)
    .action(async (options: MakeOptions) => print(await makeRecord(options)))
  record
    .command('verify')
    .description('Check a record')
    .argument('<record>', 'file of a record as JSON or hexadecimal; - reads it from standard input')
    .option('--peer-public-key <key>', 'the peer that it must name; its id does as well', peerPublicKeyOf)
    .action(async (file: string, { peerPublicKey }: { peerPublicKey?: string }) => {
      const input = file === '-' ? await text(terminal.input) : await readFile(file, 'utf8')
      await print(checkRecord(input, peerPublicKey))
    })
  acn
    .command('cid')
    .description('Show under which content id an agent is announced')
    .argument('<address>', "the agent's ledger address")
    .action((address: string) => printLine(terminal.output, agentCid(address)))
}

interface MakeOptions {
  readonly ledger: KeyKind
  readonly key: string
  readonly peerPublicKey: string
  readonly notBefore?: string
  readonly notAfter?: string
}

async function makeRecord({ ledger, key, peerPublicKey, notBefore, notAfter }: MakeOptions): Promise<unknown> {
  if (ledger === 'peer') throw new CliError('records are made with the key of an agent', EXIT.malformed)
  if (notBefore !== undefined && notAfter !== undefined && notBefore >= notAfter) {
    throw new CliError('--not-after must be later than --not-before', EXIT.malformed)
  }
  const record = createRecord(ledger, {
    privateKey: await readKey(key),
    peerPublicKey,
    ...(notBefore !== undefined && { notBefore }),
    ...(notAfter !== undefined && { notAfter }),
  })
  return { ...record, bytes: toHex(encodeAgentRecord(record)) }
}

function checkRecord(input: string, peerPublicKey: string | undefined): unknown {
  try {
    const record = readRecordText(input)
    const expectedPeer = peerPublicKey === undefined ? {} : { representativePublicKey: peerPublicKey }
    verifyRepresentation(record, { expectedAddress: record.address, ...expectedPeer })
    return { valid: true, ...record, peerId: peerIdOf(peerPublicKeyFromHex(record.peerPublicKey)) }
  } catch (error) {
    if (error instanceof AcnStatusError) throw new CliError(`record is not valid: ${error.message} (${error.code})`)
    throw malformed(error)
  }
}

function newKey(kind: KeyKind): Uint8Array {
  return newPrivateKey(kind === 'peer' ? { publicKeyOf: (key) => new PeerKey(key).publicKeyHex } : kind)
}

function publicParts(kind: KeyKind, privateKey: Uint8Array) {
  try {
    if (kind !== 'peer') return addressOf(kind, kind.publicKeyOf(privateKey))
    const { publicKeyHex, peerId } = new PeerKey(privateKey)
    return { publicKey: publicKeyHex, peerId }
  } catch (error) {
    if (error instanceof RangeError) throw new CliError('not a private key', EXIT.malformed)
    throw error
  }
}

function addressOf(kind: KeyKind, publicKey: string) {
  if (kind !== 'peer') {
    const address = kind.addressOf(publicKey)
    if (address === undefined) throw new CliError(`not a public key of ${kind.ledgerId}`, EXIT.malformed)
    return { ledger: kind.ledgerId, publicKey, address }
  }
  try {
    return { publicKey, peerId: peerIdOf(peerPublicKeyFromHex(publicKey)) }
  } catch (error) {
    throw malformed(error)
  }
}

async function readKey(file: string): Promise<Uint8Array> {
  try {
    return await readAeaKey(await readFile(file, 'utf8'), undefined)
  } catch (error) {
    if (error instanceof LedgerIdentityError) throw new CliError(`${file}: ${error.message}`, EXIT.malformed)
    throw error
  }
}

function keyKind(name: string): KeyKind {
  const kind = name === 'peer' ? name : ledgerOf(name)
  if (!kind) throw new InvalidArgumentError(`one of ${KINDS}`)
  return kind
}

/** Lower case, as peers compare it; the record is signed over it. */
function peerPublicKeyOf(text: string): string {
  try {
    if (/^[0-9a-fA-F]*$/.test(text)) return toHex(peerPublicKeyFromHex(text.toLowerCase()))
    return toHex(publicKeyOfPeerId(text))
  } catch (error) {
    if (error instanceof DecodeError) throw new InvalidArgumentError(error.reason)
    throw error
  }
}

function day(text: string): string {
  if (startOfDay(text) === undefined) throw new InvalidArgumentError('a day is needed: YYYY-MM-DD')
  return text
}

function malformed(error: unknown): unknown {
  return error instanceof DecodeError ? new CliError(error.reason, EXIT.malformed) : error
}
