import type { ByteReader, Codec } from '@parley/core/encoding'
import type { InvitationRequest } from '../links/connection-request.ts'
import { formatConnectionRequest, readConnectionRequest } from '../links/connection-request-text.ts'
import { TextPart } from '../links/text-part.ts'
import { type E2eParams, e2eParamsCodec } from '../ratchet/params.ts'

/** What agents send each other inside the per-queue encryption: `spec/agent.md §3.2`. */
export type AgentEnvelope =
  /** First message of a side; the joiner's has the parameters that start the ratchet. */
  | {
      readonly type: 'confirmation'
      readonly agentVersion: number
      readonly e2eParams?: E2eParams
      /** A ratchet message with connection information. */
      readonly encConnInfo: Uint8Array
    }
  | {
      readonly type: 'message'
      readonly agentVersion: number
      /** A ratchet message with an agent message. */
      readonly encAgentMessage: Uint8Array
    }
  /** Sent to a contact address. Its content has only the per-queue encryption. */
  | {
      readonly type: 'invitation'
      readonly agentVersion: number
      readonly request: InvitationRequest
      readonly connInfo: Uint8Array
    }
  /** New parameters, to agree a ratchet anew. */
  | {
      readonly type: 'ratchetKey'
      readonly agentVersion: number
      readonly e2eParams: E2eParams
      readonly info: Uint8Array
    }

export type AgentEnvelopeType = AgentEnvelope['type']

const latin1 = new TextDecoder('latin1')

function readE2eParams(reader: ByteReader): E2eParams {
  const at = reader.offset
  const params = e2eParamsCodec.decode(reader)
  return params.key1.algorithm === 'x448' ? params : reader.fail('ratchet keys are not X448', at)
}

function readProposedParams(reader: ByteReader): E2eParams {
  const at = reader.offset
  const params = readE2eParams(reader)
  return params.kem?.type === 'accepted' ? reader.fail('KEM ciphertext where none can be', at) : params
}

function readInvitation(reader: ByteReader): InvitationRequest {
  const start = reader.offset + 2
  const text = new TextPart(latin1.decode(reader.large()), start)
  const request = readConnectionRequest(text)
  return request.mode === 'invitation' ? request : text.fail('not an invitation')
}

/** Version, tag and the content: `C` Maybe(params) tail | `M` tail | `I` large link text, tail | `R` params tail. */
export const agentEnvelopeCodec: Codec<AgentEnvelope> = {
  encode(writer, envelope) {
    writer.word16(envelope.agentVersion)
    switch (envelope.type) {
      case 'confirmation':
        writer.literal('C').maybe(envelope.e2eParams, e2eParamsCodec.encode).bytes(envelope.encConnInfo)
        return
      case 'message':
        writer.literal('M').bytes(envelope.encAgentMessage)
        return
      case 'invitation': {
        const text = Buffer.from(formatConnectionRequest(envelope.request), 'latin1')
        writer.literal('I').large(text).bytes(envelope.connInfo)
        return
      }
      case 'ratchetKey':
        e2eParamsCodec.encode(writer.literal('R'), envelope.e2eParams)
        writer.bytes(envelope.info)
        return
    }
  },
  decode(reader) {
    const agentVersion = reader.word16()
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    switch (tag) {
      case 'C': {
        const e2eParams = reader.maybe(readE2eParams)
        return { type: 'confirmation', agentVersion, ...(e2eParams && { e2eParams }), encConnInfo: reader.tail() }
      }
      case 'M':
        return { type: 'message', agentVersion, encAgentMessage: reader.tail() }
      case 'I': {
        const request = readInvitation(reader)
        return { type: 'invitation', agentVersion, request, connInfo: reader.tail() }
      }
      case 'R': {
        const e2eParams = readProposedParams(reader)
        return { type: 'ratchetKey', agentVersion, e2eParams, info: reader.tail() }
      }
      default:
        return reader.fail('unknown agent envelope', at)
    }
  },
}
