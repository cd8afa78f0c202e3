import { toBase64url } from '@parley/core/encoding'
import { type VersionRange, versionRangeFromText, versionRangeToText } from '@parley/core/version'
import { formatSmpServer, parseSmpServer, type QueueMode, readHost, type SmpServer } from '@parley/smp/protocol'
import { formatQuery, Query, type QueryEntries } from './query.ts'
import { CLIENT_GATES, type SmpQueueUri, withOnionAlias } from './queue-address.ts'
import { TextPart } from './text-part.ts'

const SCHEME = 'smp://'

/** The text form of a queue's address: `spec/agent.md §2.1`. */
export function formatQueueUri({ versions, server, senderId, dhKey, mode }: SmpQueueUri): string {
  const [host, ...others] = server.hosts
  const allHosts = versions.min >= CLIENT_GATES.hosts
  const authority = formatSmpServer(allHosts ? server : { ...server, hosts: [host] })
  const query: QueryEntries = [
    ['v', versionRangeToText(versions)],
    ['dh', toBase64url(dhKey.spki)],
    ...modeEntries(versions, mode),
    ...(allHosts || others.length === 0 ? [] : [['srv', others.join(',')] as const]),
  ]
  return `${authority}/${toBase64url(senderId)}#/?${formatQuery(query)}`
}

/**
 * Reads all forms of a queue's address: `spec/agent.md §2.1`.
 * @throws DecodeError
 */
export function parseQueueUri(text: string): SmpQueueUri {
  return readQueueUri(new TextPart(text))
}

/** {@link parseQueueUri} of a part of a larger text. */
export function readQueueUri(part: TextPart): SmpQueueUri {
  if (!part.text.startsWith(SCHEME)) part.fail('not a queue address')
  const slash = part.text.indexOf('/', SCHEME.length)
  if (slash < 0) part.fail('queue address without a sender id', part.text.length)
  const server = readServer(part.slice(0, slash))
  const [idPart, rest] = part.slice(slash + 1).cut('#') ?? part.fail('queue address without a key', part.text.length)
  const senderId = withoutLastSlash(idPart).base64url()
  const query = rest.cut('?')
  // The first version had the key alone after the hash.
  if (!query) return withHosts({ versions: { min: 1, max: 1 }, server, senderId, dhKey: rest.publicKey('x25519') }, [])
  return readVersioned({ server, senderId }, query)
}

function readVersioned(
  queue: Pick<SmpQueueUri, 'server' | 'senderId'>,
  [keyPart, queryPart]: [TextPart, TextPart],
): SmpQueueUri {
  const key = withoutLastSlash(keyPart)
  const query = new Query(queryPart)
  const versionPart = query.require('v')
  const versions = versionRangeFromText(versionPart.text, versionPart.offset)
  const dhKey = (key.text === '' ? query.require('dh') : key).publicKey('x25519')
  const mode = readMode(query)
  const hosts = query.get('srv')
  return withHosts({ versions, ...queue, dhKey, ...(mode && { mode }) }, hosts ? readHosts(hosts) : [])
}

function withHosts(queue: SmpQueueUri, others: string[]): SmpQueueUri {
  const server: SmpServer = { ...queue.server, hosts: [...queue.server.hosts, ...others] }
  return { ...queue, server: queue.versions.max < CLIENT_GATES.hosts ? withOnionAlias(server) : server }
}

/** Hosts with commas between them; none in empty text. */
export function readHosts(part: TextPart): string[] {
  if (part.text === '') return []
  return part.split(',').map((host) => readHost(host.text) ?? host.fail('not a host'))
}

function readServer(part: TextPart): SmpServer {
  const { server, password } = part.read(parseSmpServer)
  if (password !== undefined) part.fail('queue address with a password')
  return server
}

function withoutLastSlash(part: TextPart): TextPart {
  return part.text.endsWith('/') ? part.slice(0, part.text.length - 1) : part
}

function modeEntries(versions: VersionRange, mode: QueueMode | undefined): QueryEntries {
  if (!mode) return []
  if (mode === 'contact') return [['q', 'c']]
  // `k=s` is what clients of version 3 read.
  return versions.min < CLIENT_GATES.queueMode
    ? [
        ['q', 'm'],
        ['k', 's'],
      ]
    : [['q', 'm']]
}

function readMode(query: Query): QueueMode | undefined {
  const mode = query.get('q')?.text
  if (mode === 'm') return 'messaging'
  if (mode === 'c') return 'contact'
  return query.get('k')?.text === 's' ? 'messaging' : undefined
}
