import {
  connectionRequestCodec,
  formatConnectionLink,
  formatE2eParamsUri,
  formatQueueUri,
  parseConnectionLink,
  parseE2eParamsUri,
  parseQueueUri,
  shortLinkCodec,
  smpQueueUriCodec,
} from '@parley/agent/links'
import { agentEnvelopeCodec, agentMessageCodec } from '@parley/agent/protocol'
import {
  E2E_VERSIONS,
  type EncryptedHeader,
  e2eParamsCodec,
  e2eParamsUriCodec,
  encryptedHeaderCodec,
  type MessageHeader,
  messageHeaderCodec,
  paddedHeaderLength,
} from '@parley/agent/ratchet'
import { type Codec, decode, encode, pad, unpad } from '@parley/core/encoding'
import type { VersionRange } from '@parley/core/version'
import {
  brokerMessageCodec,
  commandCodec,
  formatServerAddress,
  parseServerAddress,
  SMP_VERSIONS,
  smpServerCodec,
} from '@parley/smp/protocol'
import { type BinaryInput, readBinary, writeBinary } from './input.ts'

/** One input, decoded: its value for people and, on demand, its canonical encoding in the notation of the input. */
export interface Inspection {
  readonly value: unknown
  reencode(): string
}

/** Something that `parley inspect` decodes. */
export interface InspectionKind {
  readonly name: string
  readonly description: string
  /** Versions that `--version` may name, where the layout depends on one; the highest is the default. */
  readonly versions?: VersionRange
  /** Throws only DecodeError on malformed input. */
  inspect(input: string, version: number): Inspection
}

/** Every kind, in the order of the help. */
export const INSPECTION_KINDS: readonly InspectionKind[] = [
  {
    name: 'link',
    description: 'a connection link, full or short',
    inspect: (input) =>
      isText(input) ? inspectText(input, parseConnectionLink, formatConnectionLink) : inspectBinaryLink(input),
  },
  {
    name: 'queue-uri',
    description: 'the address of a queue: smp://…@…/…#/?v=…&dh=…',
    inspect: (input) =>
      isText(input)
        ? inspectText(input, parseQueueUri, formatQueueUri)
        : inspectBinary(input, smpQueueUriCodec, undefined),
  },
  {
    name: 'server-address',
    description: 'the address of an SMP, XFTP or notification router',
    inspect: (input) =>
      isText(input)
        ? inspectText(input, parseServerAddress, (address) => formatServerAddress(address.scheme, address))
        : inspectBinary(input, smpServerCodec, undefined),
  },
  {
    name: 'smp-command',
    description: 'a command of a client to an SMP router',
    versions: SMP_VERSIONS,
    inspect: (input, version) => inspectBinary(input, commandCodec, { version }),
  },
  {
    name: 'smp-response',
    description: 'a response or event of an SMP router',
    versions: SMP_VERSIONS,
    inspect: (input, version) => inspectBinary(input, brokerMessageCodec, { version }),
  },
  {
    name: 'agent-envelope',
    description: 'what a queue carries between agents, queue encryption removed',
    inspect: (input) => inspectBinary(input, agentEnvelopeCodec, undefined),
  },
  {
    name: 'agent-message',
    description: 'the plaintext of the double ratchet',
    inspect: (input) => inspectBinary(input, agentMessageCodec, undefined),
  },
  {
    name: 'ratchet-header',
    description: 'the header of a ratchet message: decrypted, decrypted and still padded, or encrypted',
    versions: E2E_VERSIONS,
    inspect: inspectRatchetHeader,
  },
  {
    name: 'e2e-params',
    description: 'key agreement parameters, of one version or of the range in a link; that also as text',
    inspect: inspectE2eParams,
  },
]

/** Text forms have a colon or an equals sign with a name before it; encoded bytes never do. */
function isText(input: string): boolean {
  return /:|[a-z0-9]=[A-Za-z0-9]/.test(input)
}

function inspectText<T>(input: string, parse: (text: string) => T, format: (value: T) => string): Inspection {
  const value = parse(input.trim())
  return { value, reencode: () => format(value) }
}

function inspectBinary<T, C>(input: string, codec: Codec<T, C>, context: C): Inspection {
  return inspectBytes(readBinary(input), codec, context)
}

function inspectBytes<T, C>({ bytes, notation }: BinaryInput, codec: Codec<T, C>, context: C): Inspection {
  const value = decode(codec, bytes, context)
  return { value, reencode: () => writeBinary(encode(codec, value, context), notation) }
}

/** A full link has a version range behind its first letter, whose high byte is 0; a short one a server or a type. */
function inspectBinaryLink(input: string): Inspection {
  const binary = readBinary(input)
  const full = binary.bytes[1] === 0
  const { value, reencode } = full
    ? inspectBytes(binary, connectionRequestCodec, undefined)
    : inspectBytes(binary, shortLinkCodec, undefined)
  return { value: full ? { type: 'full', request: value } : { type: 'short', link: value }, reencode }
}

/** Lengths of encrypted headers, `spec/pqdr.md §5`: version 2, version 3, version 3 with room for KEM keys. */
const ENCRYPTED_HEADER_LENGTHS = new Set([123, 124, 2346])

type RatchetHeader =
  | ({ readonly form: 'encrypted' } & EncryptedHeader)
  | ({ readonly form: 'padded' | 'decrypted' } & MessageHeader)

/** Tells the three forms apart by their lengths, which are fixed for encrypted and padded headers. */
function inspectRatchetHeader(input: string, version: number): Inspection {
  const { bytes, notation } = readBinary(input)
  const write = (encoded: Uint8Array) => writeBinary(encoded, notation)
  if (ENCRYPTED_HEADER_LENGTHS.has(bytes.length)) {
    const header = decode(encryptedHeaderCodec, bytes)
    const value: RatchetHeader = { form: 'encrypted', ...header }
    return { value, reencode: () => write(encode(encryptedHeaderCodec, header)) }
  }
  const context = { version }
  const isPadded = [false, true].some((kem) => bytes.length === paddedHeaderLength(version, kem))
  const header = decode(messageHeaderCodec, isPadded ? unpad(bytes) : bytes, context)
  const value: RatchetHeader = { form: isPadded ? 'padded' : 'decrypted', ...header }
  return {
    value,
    reencode() {
      const encoded = encode(messageHeaderCodec, header, context)
      return write(isPadded ? pad(encoded, bytes.length) : encoded)
    },
  }
}

/** Behind one version comes a key, whose length is not 0; behind the first of a range comes the high byte of the last. */
function inspectE2eParams(input: string): Inspection {
  if (isText(input)) return inspectText(input, parseE2eParamsUri, formatE2eParamsUri)
  const binary = readBinary(input)
  return binary.bytes[2] === 0
    ? inspectBytes(binary, e2eParamsUriCodec, undefined)
    : inspectBytes(binary, e2eParamsCodec, undefined)
}

/** The kind of that name. */
export function inspectionKind(name: string): InspectionKind | undefined {
  return INSPECTION_KINDS.find((kind) => kind.name === name)
}
