import { setTimeout as delay } from 'node:timers/promises'
import { AcnConnectionError, connectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
import type { AgentIdentity } from '../entrance/identity.ts'
import type { AcnHostOptions, EntryPeer } from '../peer/index.ts'
import { AcnStatusError, parsePeerAddress } from '../protocol/index.ts'
import { PeerKey, ProofCache } from '../record/index.ts'
import { RelayConnection } from './relay-connection.ts'

/** To connect to the peer, have a place reserved there and register, ms: `spec/acn.md §10` has 10 s for the place alone. */
const CONNECT_TIMEOUT = 20_000
/** How long a receiver is looked for, and an envelope tried, ms: as long as the Go node's look-up. `spec/acn.md §10`. */
const PATIENCE = 20_000

export interface RelayEntryOptions {
  /** Multiaddr, with `/p2p/`, of the peer at which the agent is to be found. */
  readonly peer: string
  /**
   * The agent's own key as a member of the network, 32 bytes; copied. Its records name this key, so that one record
   * serves all entries that share it.
   */
  readonly privateKey: Uint8Array
  readonly identity: AgentIdentity
  readonly connectTimeoutMs?: number
  /** How long an envelope is tried before the agent is told that it cannot be delivered, ms. */
  readonly patienceMs?: number
  readonly host?: Pick<AcnHostOptions, 'limits' | 'timeouts'>
}

/**
 * Makes an agent a relay client: a member of the network that cannot be connected to, and is reached through the peer at
 * which it registers (`spec/acn.md §7`). It looks receivers up and sends to their peers itself. Ends when the connection
 * to its peer does; the client then takes the next entry.
 *
 * Nothing stores for it: what cannot be delivered in time is answered with an error, what comes while it is not attached
 * waits where it was sent.
 */
export class RelayEntry implements Entry {
  readonly name: string
  readonly #options: RelayEntryOptions
  readonly #key: PeerKey
  readonly #peer: EntryPeer
  readonly #proofs = new ProofCache()

  /** @throws DecodeError when the multiaddr is none; RangeError when the key is none, or the multiaddr names no peer */
  constructor(options: RelayEntryOptions) {
    const { peerId, ...address } = parsePeerAddress(options.peer)
    if (peerId === undefined) throw new RangeError('multiaddr must name the peer: /p2p/…')
    this.#peer = { ...address, peerId }
    this.#options = options
    this.#key = new PeerKey(options.privateKey)
    this.name = `relay ${address.host}:${address.port}`
  }

  async connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection> {
    signal.throwIfAborted()
    const { identity, connectTimeoutMs = CONNECT_TIMEOUT, patienceMs = PATIENCE, host: hostOptions } = this.#options
    const record = await identity.recordFor(this.#key.publicKeyHex)
    // Loaded when it is needed: libp2p would make every client start later.
    const { AcnHost } = await import('../peer/index.ts')
    const connection = new RelayConnection({ handler, record, patienceMs })
    const host = await AcnHost.start({
      ...hostOptions,
      key: this.#key,
      proofs: this.#proofs,
      entryPeers: [this.#peer],
      record,
      handlers: {
        lookup: async (address) => (address === record.address ? record : undefined),
        receive: (received) => connection.receive(received),
      },
      onContact: (contact) => {
        if (contact === undefined) connection.fail(new AcnConnectionError('CLOSED', 'connection to the peer has ended'))
      },
    })
    try {
      await within(connectTimeoutMs, signal, (both) => host.join(both))
    } catch (error) {
      await host.stop()
      throw signal.aborted ? signal.reason : asConnectionError(error)
    }
    connection.attach(host)
    return connection
  }
}

async function within(
  timeMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const timer = delay(timeMs, undefined, { signal: stop.signal }).then(() => {
    const timeout = new AcnConnectionError('TIMEOUT', 'the peer did not take the agent in time')
    stop.abort(timeout)
    throw timeout
  })
  timer.catch(() => {})
  try {
    await Promise.race([work(both), timer])
  } finally {
    stop.abort()
  }
}

function asConnectionError(error: unknown): AcnConnectionError {
  if (!(error instanceof AcnStatusError)) return connectionError('CONNECT', error)
  return new AcnConnectionError('REFUSED', `registration refused with status ${error.code}`, { cause: error })
}
