import type { ByteReader, Codec } from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec } from '@parley/core/version'
import { type E2eParamsUri, e2eParamsUriCodec } from '../ratchet/params.ts'
import { type SmpQueueUri, sameQueue, smpQueueUriCodec } from './queue-address.ts'

/** What both kinds of connection requests hold: `spec/agent.md §2.3`, ConnReqUriData. */
export interface ConnectionRequestData {
  /** Agent versions of the one who made the request. */
  readonly agentVersions: VersionRange
  /** The first queue is the one that is used. */
  readonly queues: readonly [SmpQueueUri, ...SmpQueueUri[]]
  /** Text of the application. */
  readonly clientData?: string
}

/** A one-time invitation: its parameters start the ratchet. X448 keys, a KEM key only proposed. */
export interface InvitationRequest extends ConnectionRequestData {
  readonly mode: 'invitation'
  readonly e2eParams: E2eParamsUri
}

/** A contact address, which many may send their own invitations to. */
export interface ContactRequest extends ConnectionRequestData {
  readonly mode: 'contact'
}

/** What one agent gives another to connect, "full link": `spec/agent.md §2.2`. */
export type ConnectionRequest = InvitationRequest | ContactRequest

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** True for parameters that a connection request may hold: X448 and no KEM ciphertext. */
export function isInvitationParams({ key1, kem }: Pick<E2eParamsUri, 'key1' | 'kem'>): boolean {
  return key1.algorithm === 'x448' && kem?.type !== 'accepted'
}

/** True when two contact addresses lead to the same queues. */
export function sameContactAddress(a: ContactRequest, b: ContactRequest): boolean {
  return a.queues.length === b.queues.length && a.queues.every((queue, i) => sameQueueAt(queue, b.queues[i]))
}

function sameQueueAt(queue: SmpQueueUri, other: SmpQueueUri | undefined): boolean {
  return other !== undefined && sameQueue(queue, other)
}

/** Queues of version below 3 cannot say that they are contact queues; the binary form came later than the mode. */
function readQueue(reader: ByteReader): SmpQueueUri {
  return { mode: 'contact', ...smpQueueUriCodec.decode(reader) }
}

const requestDataCodec: Codec<ConnectionRequestData> = {
  encode(writer, { agentVersions, queues, clientData }) {
    versionRangeCodec.encode(writer, agentVersions)
    writer.nonEmpty(queues, smpQueueUriCodec.encode)
    writer.maybe(clientData, (w, text) => w.large(Buffer.from(text, 'utf8')))
  },
  decode(reader) {
    const agentVersions = versionRangeCodec.decode(reader)
    const queues = reader.nonEmpty(readQueue)
    const clientData = reader.maybe((r) => utf8.decode(r.large()))
    return { agentVersions, queues, ...(clientData !== undefined && { clientData }) }
  },
}

function readInvitationParams(reader: ByteReader): E2eParamsUri {
  const at = reader.offset
  const params = e2eParamsUriCodec.decode(reader)
  return isInvitationParams(params) ? params : reader.fail('parameters are not those of an invitation', at)
}

/** `I` data parameters | `C` data: `spec/agent.md §2.3`, ConnectionRequestUri. */
export const connectionRequestCodec: Codec<ConnectionRequest> = {
  encode(writer, request) {
    writer.literal(request.mode === 'invitation' ? 'I' : 'C')
    requestDataCodec.encode(writer, request)
    if (request.mode === 'invitation') e2eParamsUriCodec.encode(writer, request.e2eParams)
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    if (tag === 'C') return { mode: 'contact', ...requestDataCodec.decode(reader) }
    if (tag !== 'I') return reader.fail('expected I or C before a connection request', at)
    const data = requestDataCodec.decode(reader)
    return { mode: 'invitation', ...data, e2eParams: readInvitationParams(reader) }
  },
}
