import { AcnClient, DelegateEntry, identityFromSigner } from '@parley/acn/client'
import { peerPublicKeyToHex, publicKeyOfPeerId } from '@parley/acn/protocol'
import type { LedgerIdentity } from '../identity/ledger-identity.ts'
import { messagesOf } from '../message-stream.ts'
import type { FoundAnswer } from '../node/control-handlers.ts'
import { askNode } from '../node/control-socket.ts'
import type { EnvelopeTrace } from '../node/envelope-trace.ts'
import type { AcnStatus } from '../node/status.ts'
import { sendMessage } from '../send-message.ts'
import type { Messenger } from './messenger.ts'

/** A look-up may lead through two peers, ms. */
const FIND_TIME = 60_000

/** What a messenger at a running node is opened with. */
export interface NodeMessengerOptions {
  /** Data folder of the node. */
  readonly folder: string
  /** What the node says of itself. */
  readonly acn: AcnStatus & { readonly delegatePort: number }
  readonly identity: LedgerIdentity
  /** Leaves what waits for the identity to others. */
  readonly sendsOnly: boolean
}

/**
 * A messenger that attaches at the delegate service of the node that runs on its folder, and asks it for the rest.
 * @throws AggregateError when the node does not take it; the signal's reason
 */
export async function openNodeMessenger(options: NodeMessengerOptions, signal: AbortSignal): Promise<Messenger> {
  const { folder, acn, identity, sendsOnly } = options
  const { address } = identity
  const entry = new DelegateEntry({
    host: reachable(acn.delegateHost),
    port: acn.delegatePort,
    peerPublicKey: peerPublicKeyToHex(publicKeyOfPeerId(acn.peerId)),
    identity: identityFromSigner(identity, (text) => identity.sign(text)),
    sendsOnly,
  })
  const client = await AcnClient.connect({ entries: [entry], acknowledge: 'manual' }, signal)
  return {
    address,
    isServed: true,
    find: async (wanted) =>
      ((await askNode(folder, 'find', { query: { address: wanted }, timeout: FIND_TIME })) as FoundAnswer | null) ??
      undefined,
    send: (to, message, stop) => sendMessage(client, { to, sender: address, message }, stop),
    async trace(id) {
      const [trace] = ((await askNode(folder, 'trace', { query: { of: id } })) ?? []) as EnvelopeTrace[]
      return trace
    },
    messages: () =>
      messagesOf(client.events, {
        onNotDelivered: () => {},
      }),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** Where a service that listens everywhere is reached from this machine. */
function reachable(host = '127.0.0.1'): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}
