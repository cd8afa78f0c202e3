import { sha256 } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import type { AgentConfig } from '../config.ts'
import {
  type E2eParamsUri,
  e2eParamsOfKeys,
  e2eParamsUriCodec,
  e2eParamsUriOf,
  type X3dhKeys,
} from '../ratchet/index.ts'
import type { Db } from '../store/database.ts'

/** A connection that is being stored; nothing is sent yet. */
export interface ConnectionInMaking {
  readonly connId: string
  /** The transaction that stores it: what the application keeps of it in its own tables is stored with it. */
  readonly db: Db
  /** Of a request to a contact address: what the REQ event shows its owner. See {@link keyAgreementHash}. */
  readonly keyAgreement?: Uint8Array
}

/**
 * What this application says about itself, or how to make it for a connection. It is called in the transaction that stores
 * the connection, also when a call that failed is repeated, with the same values then; not for a connection that is there
 * already. It must not wait for anything.
 */
export type OwnInfo = Uint8Array | ((connection: ConnectionInMaking) => Uint8Array)

/** The information for a connection. */
export function infoFor(info: OwnInfo, connection: ConnectionInMaking): Uint8Array {
  return typeof info === 'function' ? info(connection) : info
}

/**
 * Names the key agreement that a request offers: SHA-256 of its encoded parameters, 32 bytes. Nobody but the requester
 * can use it, so that what is signed for it is of no use in any other request.
 */
export function keyAgreementHash(params: E2eParamsUri): Uint8Array {
  return sha256(encode(e2eParamsUriCodec, params))
}

/** What a request that is made with these keys offers. */
export function e2eParamsToOffer({ e2eVersions }: Pick<AgentConfig, 'e2eVersions'>, keys: X3dhKeys): E2eParamsUri {
  return e2eParamsUriOf(e2eParamsOfKeys(keys, e2eVersions.max), e2eVersions)
}
