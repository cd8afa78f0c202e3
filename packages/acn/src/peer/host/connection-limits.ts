import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { getNetConfig } from '@libp2p/utils'
import type { PeerLimits } from '../limits.ts'

/** Share of all unfinished handshakes that one address may have. */
const PENDING_SHARE = 4

interface AddressAccount {
  open: number
  pending: number
}

/** Counts inbound connections by address and by peer, and refuses those above the limits. */
export class ConnectionLimits {
  readonly #limits: Pick<PeerLimits, 'connectionsPerAddress' | 'connectionsPerPeer' | 'pendingConnections'>
  readonly #addresses = new Map<string, AddressAccount>()
  readonly #peers = new Map<string, number>()
  readonly #pending = new WeakSet<MultiaddrConnection>()

  constructor(limits: Pick<PeerLimits, 'connectionsPerAddress' | 'connectionsPerPeer' | 'pendingConnections'>) {
    this.#limits = limits
  }

  /** Addresses that have connections. */
  get addresses(): number {
    return this.#addresses.size
  }

  /** What libp2p asks before it takes a connection. Relayed connections count with the relay's own. */
  readonly gater: ConnectionGater = {
    denyInboundConnection: (connection) => this.#denies(connection),
    denyInboundUpgradedConnection: (peer, connection) => this.#deniesPeer(peer, connection),
  }

  #denies(connection: MultiaddrConnection): boolean {
    const address = addressOf(connection)
    if (address === undefined) return false
    const account = this.#addresses.get(address) ?? { open: 0, pending: 0 }
    const { connectionsPerAddress, pendingConnections } = this.#limits
    if (account.open >= connectionsPerAddress) return true
    if (account.pending >= Math.ceil(pendingConnections / PENDING_SHARE)) return true
    account.open++
    account.pending++
    this.#addresses.set(address, account)
    this.#pending.add(connection)
    connection.addEventListener('close', () => this.#leave(address, account, connection), { once: true })
    return false
  }

  #leave(address: string, account: AddressAccount, connection: MultiaddrConnection): void {
    this.#settle(account, connection)
    account.open--
    if (account.open === 0) this.#addresses.delete(address)
  }

  #settle(account: AddressAccount, connection: MultiaddrConnection): void {
    if (this.#pending.delete(connection)) account.pending--
  }

  #deniesPeer(peer: PeerId, connection: MultiaddrConnection): boolean {
    const address = addressOf(connection)
    const account = address === undefined ? undefined : this.#addresses.get(address)
    if (account) this.#settle(account, connection)
    const id = peer.toString()
    const count = this.#peers.get(id) ?? 0
    if (count >= this.#limits.connectionsPerPeer) return true
    this.#peers.set(id, count + 1)
    connection.addEventListener('close', () => this.#leavePeer(id), { once: true })
    return false
  }

  #leavePeer(id: string): void {
    const left = (this.#peers.get(id) ?? 1) - 1
    if (left === 0) this.#peers.delete(id)
    else this.#peers.set(id, left)
  }
}

/** The IP address that a connection comes from; undefined for relayed ones. */
function addressOf({ remoteAddr }: MultiaddrConnection): string | undefined {
  if (remoteAddr.toString().includes('/p2p-circuit')) return undefined
  try {
    return getNetConfig(remoteAddr).host
  } catch {
    return undefined
  }
}
