import type { Socket } from 'node:net'

/** How many connections an entrance takes. */
export interface ConnectionLimits {
  /** In all. */
  readonly maxConnections: number
  /** From one address. */
  readonly maxPerAddress: number
  /** In all that have not registered yet. */
  readonly maxUnregistered: number
  /** From one address that have not registered yet. */
  readonly maxUnregisteredPerAddress: number
}

/** Room for a busy node whose agents may all be behind one address, and for few that say nothing. */
export const CONNECTION_LIMITS: ConnectionLimits = {
  maxConnections: 16_384,
  maxPerAddress: 4_096,
  maxUnregistered: 1_024,
  maxUnregisteredPerAddress: 128,
}

/** The part of a socket by which its connection is known, at both layers of TLS. */
export interface RemoteEnd {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

interface GroupConnections {
  count: number
  /** By remote end, in order of arrival. */
  readonly unregistered: Map<string, Socket>
}

/**
 * Counts the connections of an entrance. One too many is refused; one too many that has not registered takes the place
 * of the oldest such one, from its own address where that is the limit that was reached: whoever waits in silence goes
 * before whoever arrives.
 */
export class ConnectionCounter {
  readonly #limits: ConnectionLimits
  readonly #groups = new Map<string, GroupConnections>()
  /** By remote end, in order of arrival. */
  readonly #unregistered = new Map<string, Socket>()
  #count = 0

  constructor(limits: ConnectionLimits = CONNECTION_LIMITS) {
    this.#limits = limits
  }

  /** Connections that are open. */
  get count(): number {
    return this.#count
  }

  /** Those that have not registered. */
  get unregistered(): number {
    return this.#unregistered.size
  }

  /** Counts a TCP connection until it closes; false when it is refused, and destroyed. */
  admit(socket: Socket): boolean {
    const { remoteAddress } = socket
    const limits = this.#limits
    const name = remoteAddress === undefined ? '' : addressGroup(remoteAddress)
    const group = this.#groups.get(name) ?? { count: 0, unregistered: new Map<string, Socket>() }
    // Without an address it has been closed already.
    if (remoteAddress === undefined || this.#count >= limits.maxConnections || group.count >= limits.maxPerAddress) {
      socket.destroy()
      return false
    }
    if (group.unregistered.size >= limits.maxUnregisteredPerAddress) this.#evictOldest(group.unregistered)
    else if (this.#unregistered.size >= limits.maxUnregistered) this.#evictOldest(this.#unregistered)
    const key = remoteKey(socket)
    this.#groups.set(name, group)
    group.count++
    group.unregistered.set(key, socket)
    this.#unregistered.set(key, socket)
    this.#count++
    socket.once('close', () => {
      this.#count--
      this.#unregistered.delete(key)
      group.unregistered.delete(key)
      group.count--
      if (group.count === 0) this.#groups.delete(name)
    })
    return true
  }

  /** The connection has shown who it is. */
  register(remote: RemoteEnd): void {
    const key = remoteKey(remote)
    this.#unregistered.delete(key)
    this.#groups.get(addressGroup(remote.remoteAddress ?? ''))?.unregistered.delete(key)
  }

  /** Ends all connections that have not registered. */
  destroyUnregistered(): void {
    for (const socket of this.#unregistered.values()) socket.destroy()
  }

  #evictOldest(sockets: Map<string, Socket>): void {
    for (const [key, socket] of sockets) {
      this.#unregistered.delete(key)
      sockets.delete(key)
      socket.destroy()
      return
    }
  }
}

function remoteKey({ remoteAddress, remotePort }: RemoteEnd): string {
  return `${remoteAddress} ${remotePort}`
}

/**
 * The address as far as it is one customer's: all of an IPv4 address, the first 64 bits of an IPv6 address, of which
 * anybody has as many as there are.
 */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1]) return mapped[1]
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1).join('').split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return `${groups.slice(0, 4).join(':')}::`
}
