import { randomBytes } from 'node:crypto'
import { dh, PrivateKey, sealBox } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { type AuthKey, clientMessageCodec, clientMessageEnvelopeCodec, type DhKey } from '@parley/smp/protocol'
import { CLIENT_CONFIRMATION_LENGTH, CLIENT_MESSAGE_LENGTH } from '../protocol/index.ts'
import type { SndQueueRecord } from '../store/records.ts'

const NONCE_LENGTH = 24

/** A message in the box for its recipient: `spec/agent.md §3.1`. */
export function sealMessage(queue: SndQueueRecord, agentEnvelope: Uint8Array): Uint8Array {
  const { e2eDhSecret, clientVersion: version } = queue
  return seal({ secret: e2eDhSecret, version, length: CLIENT_MESSAGE_LENGTH }, { body: agentEnvelope })
}

/**
 * The first message to a queue: it carries the sender's key of the box and, for a queue that its recipient secures,
 * the key of the sender's commands.
 */
export function sealConfirmation(queue: SndQueueRecord, agentEnvelope: Uint8Array, secured: boolean): Uint8Array {
  const { e2eDhSecret, e2ePublicKey, clientVersion: version, sndPrivateKey } = queue
  return seal(
    { secret: e2eDhSecret, version, length: CLIENT_CONFIRMATION_LENGTH, senderKey: e2ePublicKey },
    { body: agentEnvelope, ...(!secured && { sndAuthKey: sndPrivateKey.publicKey }) },
  )
}

/** A message to a contact address, with a key that is used once. */
export function sealInvitation(recipientKey: DhKey, clientVersion: number, agentEnvelope: Uint8Array): Uint8Array {
  const key = PrivateKey.generate('x25519')
  return seal(
    {
      secret: dh(key, recipientKey),
      version: clientVersion,
      length: CLIENT_CONFIRMATION_LENGTH,
      senderKey: key.publicKey,
    },
    { body: agentEnvelope },
  )
}

interface SealOptions {
  readonly secret: Uint8Array
  readonly version: number
  readonly length: number
  readonly senderKey?: DhKey
}

function seal(
  { secret, version, length, senderKey }: SealOptions,
  message: { readonly body: Uint8Array; readonly sndAuthKey?: AuthKey },
): Uint8Array {
  const nonce = randomBytes(NONCE_LENGTH)
  const encrypted = sealBox(secret, nonce, encode(clientMessageCodec, message), length)
  return encode(clientMessageEnvelopeCodec, { version, ...(senderKey && { senderKey }), nonce, encrypted })
}
