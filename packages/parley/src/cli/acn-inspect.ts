import { text } from 'node:stream/consumers'
import { decodeExtended } from '@parley/acn/entrance'
import { type AcnMessage, decodeAgentRecord, decodeEnvelope, statusName } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import { type Command, Option } from 'commander'
import { CliError, EXIT } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'

type Kind = 'message' | 'frame' | 'envelope' | 'record'

/** Adds `parley acn inspect`. */
export function addAcnInspectCommand(acn: Command, terminal: Terminal): void {
  acn
    .command('inspect')
    .description(
      'Decode an ACN message, with what Parley ends add to it, an envelope or a record, and print it as JSON',
    )
    .argument('<bytes>', 'hexadecimal or base64; - reads it from standard input')
    .addOption(
      new Option('--as <kind>', 'what the bytes are; a frame is a message with its length before it')
        .choices(['message', 'frame', 'envelope', 'record'])
        .default('message'),
    )
    .action(async (input: string, { as }: { as: Kind }) => {
      const bytes = readBytes(input === '-' ? await text(terminal.input) : input)
      try {
        await printLine(terminal.output, JSON.stringify(inspect(as, bytes), bytesAsHex, 2))
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        throw new CliError(`malformed ${as}: ${error.reason}`, EXIT.malformed)
      }
    })
}

function inspect(kind: Kind, bytes: Uint8Array): unknown {
  switch (kind) {
    case 'record':
      return decodeAgentRecord(bytes)
    case 'envelope':
      return decodeEnvelope(bytes)
    case 'frame': {
      if (bytes.length < 4) throw new DecodeError('frame without length', 0)
      const length = Buffer.from(bytes).readUInt32BE(0)
      if (length !== bytes.length - 4) throw new DecodeError(`frame of ${length} bytes with ${bytes.length - 4}`, 0)
      return inspect('message', bytes.subarray(4))
    }
    case 'message': {
      const { message, extension } = decodeExtended(bytes)
      return { ...inspectMessage(message), ...(extension && { extension }) }
    }
  }
}

function inspectMessage(message: AcnMessage): object {
  if (message.type === 'status' && message.body) return { ...message, name: statusName(message.body.code) }
  if (message.type === 'aeaEnvelope') return { ...message, envelope: inspect('envelope', message.envelope) }
  return message
}

function bytesAsHex(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}

function readBytes(input: string): Uint8Array {
  const compact = input.replaceAll(/\s+/g, '')
  if (/^([0-9a-fA-F]{2})*$/.test(compact)) return Buffer.from(compact, 'hex')
  if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(compact)) return Buffer.from(compact, 'base64')
  throw new CliError('input is neither hexadecimal nor base64', EXIT.malformed)
}
