import { type VersionRange, versionRangeFromText, versionRangeToText } from '@parley/core/version'
import { type ConnectionRequest, type ConnectionRequestData, isInvitationParams } from './connection-request.ts'
import { formatE2eParamsUri, readE2eParamsUri } from './e2e-params-text.ts'
import { formatQuery, Query, type QueryEntries } from './query.ts'
import type { SmpQueueUri } from './queue-address.ts'
import { formatQueueUri, readQueueUri } from './queue-uri-text.ts'
import { TextPart } from './text-part.ts'

const HEAD = /^(simplex:|https:\/\/[^:#,;/ ]+(?::\d+)?)\/(invitation|contact)\/?#\/\?/

/** The lowest agent version that this agent speaks; older contact addresses are read as if they said it. */
const MIN_AGENT_VERSION = 2

/**
 * The text form: `spec/agent.md §2.2`.
 * @param scheme `simplex:` or the `https://host[:port]` of an application's site
 */
export function formatConnectionRequest(request: ConnectionRequest, scheme = 'simplex:'): string {
  const { mode, agentVersions, queues, clientData } = request
  const query: QueryEntries = [
    ['v', versionRangeToText(agentVersions)],
    // Commas are taken by hosts.
    ['smp', queues.map(formatQueueUri).join(';')],
    ...(mode === 'invitation' ? [['e2e', formatE2eParamsUri(request.e2eParams)] as const] : []),
    ...(clientData === undefined ? [] : [['data', clientData] as const]),
  ]
  return `${scheme}/${mode}#/?${formatQuery(query)}`
}

/**
 * Reads both kinds with both schemes.
 * @throws DecodeError
 */
export function parseConnectionRequest(text: string): ConnectionRequest {
  return readConnectionRequest(new TextPart(text))
}

/** {@link parseConnectionRequest} of a part of a larger text. */
export function readConnectionRequest(part: TextPart): ConnectionRequest {
  const head = HEAD.exec(part.text)
  if (!head) return part.fail('not a connection request')
  const query = new Query(part.slice(head[0].length))
  const data = readData(query)
  if (head[2] === 'contact') return { mode: 'contact', ...data, agentVersions: raiseMin(data.agentVersions) }
  const e2ePart = query.require('e2e')
  const e2eParams = readE2eParamsUri(e2ePart)
  if (!isInvitationParams(e2eParams)) return e2ePart.fail('parameters are not those of an invitation')
  return { mode: 'invitation', ...data, e2eParams }
}

function readData(query: Query): ConnectionRequestData {
  const versionPart = query.require('v')
  const agentVersions = versionRangeFromText(versionPart.text, versionPart.offset)
  const clientData = query.get('data')?.text
  return { agentVersions, queues: readQueues(query.require('smp')), ...(clientData !== undefined && { clientData }) }
}

function readQueues(part: TextPart): [SmpQueueUri, ...SmpQueueUri[]] {
  const [first, ...rest] = part.split(';').map(readQueueUri)
  return first ? [first, ...rest] : part.fail('connection request without a queue')
}

/** Links published when older versions were spoken stay usable. */
function raiseMin({ min, max }: VersionRange): VersionRange {
  const raised = Math.max(min, MIN_AGENT_VERSION)
  return { min: raised, max: Math.max(raised, max) }
}
