import { x25519KeyCodec } from '@parley/core/crypto'
import { type ByteReader, type ByteWriter, type Codec, equalBytes } from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec } from '@parley/core/version'
import {
  type DhKey,
  type EntityId,
  legacySmpServerCodec,
  type QueueMode,
  type SmpServer,
  smpServerCodec,
} from '@parley/smp/protocol'

/** Versions of queue addresses that this agent speaks: `spec/agent.md §1`. */
export const SMP_CLIENT_VERSIONS: VersionRange = { min: 1, max: 4 }

/** First client versions with several hosts, with senders that secure queues, with queue modes and short links. */
export const CLIENT_GATES = { hosts: 2, senderSecures: 3, queueMode: 4 } as const

/** Where a queue is, for its sender. */
export interface QueueAddress {
  readonly server: SmpServer
  readonly senderId: EntityId
  /** The recipient's key of the per-queue encryption. */
  readonly dhKey: DhKey
  /** Absent when the address does not say. */
  readonly mode?: QueueMode
}

/** An address for one client version, as agents send it to each other: `spec/agent.md §2.3`, SMPQueueInfo. */
export interface SmpQueueInfo extends QueueAddress {
  readonly version: number
}

/** An address for a range of client versions, as links carry it: `spec/agent.md §2.1`. */
export interface SmpQueueUri extends QueueAddress {
  readonly versions: VersionRange
}

/** What names a queue at its router, without keys. */
export type QueueRef = Pick<QueueAddress, 'server' | 'senderId'>

/** The first hosts of the preset servers that were published before addresses could hold several hosts. */
const ONION_ALIASES: Readonly<Record<string, string>> = {
  'smp4.simplex.im': 'o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id.onion',
  'smp5.simplex.im': 'jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion',
  'smp6.simplex.im': 'bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd.onion',
  'smp8.simplex.im': 'beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion',
  'smp9.simplex.im': 'jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd.onion',
  'smp10.simplex.im': 'rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd.onion',
}

/** The server with its onion host, when its address can only hold one and it is known to have one. */
export function withOnionAlias(server: SmpServer): SmpServer {
  const [host, ...others] = server.hosts
  const alias = ONION_ALIASES[host]
  if (others.length > 0 || alias === undefined) return server
  return { ...server, hosts: [host, alias] }
}

/** True when both have the same hosts in the same order and the same port; key hashes are not compared. */
export function sameServerAddress(a: SmpServer, b: SmpServer): boolean {
  return a.port === b.port && a.hosts.length === b.hosts.length && a.hosts.every((host, i) => host === b.hosts[i])
}

/** True when both name one queue. */
export function sameQueue(a: QueueRef, b: QueueRef): boolean {
  return sameServerAddress(a.server, b.server) && equalBytes(a.senderId, b.senderId)
}

/** The address for one version of the range. */
export function smpQueueInfoOf({ versions: _, ...address }: SmpQueueUri, version: number): SmpQueueInfo {
  return { version, ...address }
}

/** The address for a range of versions. */
export function smpQueueUriOf({ version: _, ...address }: SmpQueueInfo, versions: VersionRange): SmpQueueUri {
  return { versions, ...address }
}

function writeAddress(writer: ByteWriter, { senderId, dhKey }: QueueAddress): void {
  writer.shortString(senderId)
  x25519KeyCodec.encode(writer, dhKey)
}

function readAddress(reader: ByteReader): Pick<QueueAddress, 'senderId' | 'dhKey'> {
  return { senderId: reader.shortString(), dhKey: x25519KeyCodec.decode(reader) }
}

function writeMode(writer: ByteWriter, mode: QueueMode | undefined): void {
  if (mode) writer.literal(mode === 'messaging' ? 'M' : 'C')
}

const MODES: ReadonlyMap<number | undefined, QueueMode> = new Map([
  [0x4d, 'messaging'],
  [0x43, 'contact'],
  // Version 3 says whether the sender can secure the queue.
  [0x54, 'messaging'],
  [0x46, 'contact'],
])

/** The optional last byte, known by looking at it: `spec/agent.md §0 A6`. */
function readMode(reader: ByteReader): { mode?: QueueMode } {
  const mode = MODES.get(reader.peek())
  if (!mode) return {}
  reader.byte()
  return { mode }
}

/** Version, server, sender id, key, mode: `spec/agent.md §2.3`, SMPQueueInfo. */
export const smpQueueInfoCodec: Codec<SmpQueueInfo> = {
  encode(writer, queue) {
    const { version, server, mode } = queue
    writer.word16(version)
    const serverCodec = version < CLIENT_GATES.hosts ? legacySmpServerCodec : smpServerCodec
    serverCodec.encode(writer, server)
    writeAddress(writer, queue)
    if (version >= CLIENT_GATES.queueMode) writeMode(writer, mode)
    else if (version >= CLIENT_GATES.senderSecures && mode === 'messaging') writer.bool(true)
  },
  decode(reader) {
    const version = reader.word16()
    const server =
      version < CLIENT_GATES.hosts ? withOnionAlias(legacySmpServerCodec.decode(reader)) : smpServerCodec.decode(reader)
    return { version, server, ...readAddress(reader), ...readMode(reader) }
  },
}

/** Version range, server, sender id, key, mode or whether the sender secures: `spec/agent.md §2.3`, SMPQueueUri. */
export const smpQueueUriCodec: Codec<SmpQueueUri> = {
  encode(writer, queue) {
    const { versions, server, mode } = queue
    versionRangeCodec.encode(writer, versions)
    smpServerCodec.encode(writer, server)
    writeAddress(writer, queue)
    const secures = mode === 'messaging'
    if (versions.min >= CLIENT_GATES.queueMode) writeMode(writer, mode)
    else if (versions.min >= CLIENT_GATES.senderSecures) writer.bool(secures)
    // Older clients can skip the byte only when it is not there, so false is left out.
    else if (versions.max >= CLIENT_GATES.senderSecures && secures) writer.bool(true)
  },
  decode(reader) {
    const versions = versionRangeCodec.decode(reader)
    const server = smpServerCodec.decode(reader)
    return { versions, server, ...readAddress(reader), ...readMode(reader) }
  },
}

/** Server and sender id: how agents name a queue to each other, `spec/agent.md §3.3`. */
export const queueRefCodec: Codec<QueueRef> = {
  encode(writer, { server, senderId }) {
    smpServerCodec.encode(writer, server)
    writer.shortString(senderId)
  },
  decode(reader) {
    return { server: smpServerCodec.decode(reader), senderId: reader.shortString() }
  },
}
