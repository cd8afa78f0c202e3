import type { AcnClient } from '@parley/acn/client'
import { STATUS } from '@parley/acn/protocol'
import { ParleyError } from './parley-error.ts'
import { encodeText, TEXT_PROTOCOL } from './text-message.ts'

/** A message to be sent. */
export interface OutgoingMessage {
  readonly to: string
  readonly sender: string
  /** A text, or bytes of the application's own. */
  readonly message: string | Uint8Array
}

/**
 * Sends a message by a node.
 * @returns its id
 * @throws ParleyError REFUSED; as AcnClient.send
 */
export async function sendMessage(
  client: AcnClient,
  { to, sender, message }: OutgoingMessage,
  signal?: AbortSignal,
): Promise<string> {
  const body = typeof message === 'string' ? encodeText(message) : message
  const envelope = { to, sender, protocolId: TEXT_PROTOCOL, message: body, uri: '' }
  const { id, code } = await client.send(envelope, signal ? { signal } : {})
  if (code !== STATUS.SUCCESS) throw new ParleyError('REFUSED', `not accepted: status ${code}`)
  return id
}
