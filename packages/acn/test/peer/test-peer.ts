import { randomBytes } from 'node:crypto'
import { AcnHost, type AcnHostOptions, type EntryPeer } from '@parley/acn/peer'
import {
  AcnStatusError,
  type AgentRecord,
  type Envelope,
  encodeEnvelope,
  parsePeerAddress,
  peerIdOf,
  peerPublicKeyFromHex,
  STATUS,
} from '@parley/acn/protocol'
import { createRecord, LEDGERS, PeerKey } from '@parley/acn/record'
import { BoundedQueue } from '@parley/core/queue'

/** A new agent's record for a peer, on the ledger with this number. */
export function newRecord(peerPublicKey: string, ledgerNumber = 0): AgentRecord {
  const ledger = LEDGERS[ledgerNumber % LEDGERS.length]
  if (!ledger) throw new Error('no ledger')
  return createRecord(ledger, { privateKey: randomBytes(32), peerPublicKey })
}

/** The entry peer of a multiaddr with `/p2p/`. */
export function entryOf(multiaddr: string): EntryPeer {
  const address = parsePeerAddress(multiaddr)
  if (address.peerId === undefined) throw new Error('entry peer without id')
  return { ...address, peerId: address.peerId }
}

/** A host of ours with one agent, and relay clients that register; routing is as plain as it can be. */
export class TestPeer {
  readonly record: AgentRecord
  readonly received = new BoundedQueue<Envelope>(10_000)
  readonly #relayed = new Map<string, AgentRecord>()
  #host: AcnHost | undefined

  private constructor(record: AgentRecord) {
    this.record = record
  }

  static async start(
    options: Partial<Omit<AcnHostOptions, 'handlers' | 'entryPeers'>> & {
      readonly entryPeers?: readonly string[]
      readonly isClient?: boolean
      readonly ledger?: number
    } = {},
  ): Promise<TestPeer> {
    const { key = new PeerKey(randomBytes(32)), entryPeers = [], isClient = false, ledger = 0, ...rest } = options
    const peer = new TestPeer(options.record ?? newRecord(key.publicKeyHex, ledger))
    peer.#host = await AcnHost.start({
      ...rest,
      key,
      entryPeers: entryPeers.map(entryOf),
      ...(isClient ? { record: peer.record } : { listen: options.listen ?? { host: '127.0.0.1', port: 0 } }),
      ...(!isClient && { addresses: [peer.record.address] }),
      handlers: {
        lookup: (address, from, signal) => peer.#lookup(address, from.peerId, signal),
        receive: async ({ envelope }) => {
          if (envelope.to !== peer.address)
            throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent')
          peer.received.tryPut(envelope)
        },
        register: async (record) => {
          peer.#relayed.set(record.address, record)
          await peer.host.announce(record.address)
        },
      },
    })
    return peer
  }

  get host(): AcnHost {
    if (!this.#host) throw new Error('not started')
    return this.#host
  }

  get address(): string {
    return this.record.address
  }

  /** `/dns4/…/p2p/…` */
  get multiaddr(): string {
    return this.host.multiaddr ?? ''
  }

  /** Addresses of relay clients that have registered. */
  get relayed(): string[] {
    return [...this.#relayed.keys()]
  }

  async send(to: string, message: Uint8Array): Promise<void> {
    const route = await this.#route(to)
    const envelope = { to, sender: this.address, protocolId: 'fetchai/default:1.0.0', message, uri: '' }
    const { code, msgs } = await this.host.sendEnvelope(route, encodeEnvelope(envelope), this.record)
    if (code !== STATUS.SUCCESS) throw new AcnStatusError(code, `envelope answered with ${code}: ${msgs}`)
  }

  stop(): Promise<void> {
    return this.host.stop()
  }

  async #route(to: string) {
    const relayed = this.#relayed.get(to)
    if (relayed) return { peerId: peerIdOfRecord(relayed) }
    const found = await this.host.resolve(to, { timeout: 10_000 })
    if (!found) throw new Error(`${to} was not found`)
    return found
  }

  async #lookup(address: string, asker: string, signal: AbortSignal): Promise<AgentRecord | undefined> {
    if (address === this.address) return this.record
    const relayed = this.#relayed.get(address)
    return relayed ?? (await this.host.resolve(address, { asker, signal }))?.record
  }
}

function peerIdOfRecord({ peerPublicKey }: AgentRecord): string {
  return peerIdOf(peerPublicKeyFromHex(peerPublicKey))
}
