import type { Peer, PeerStore } from '@libp2p/interface'

const LIMIT = 10_000

interface Remembered {
  readonly protocols: Set<string>
  readonly peer: Peer
}

/**
 * Lets a peer store skip writes that change nothing. For every stream that is opened, at both ends, libp2p merges the
 * stream's protocol into the peer's record, decoding and encoding all of it: a third of the time of an envelope.
 */
export function rememberProtocols(peerStore: PeerStore): void {
  const remembered = new Map<string, Remembered>()
  const merge = peerStore.merge.bind(peerStore)
  peerStore.merge = async (peerId, data, options) => {
    const key = peerId.toString()
    const known = remembered.get(key)
    const { protocols, ...rest } = data
    const onlyProtocols = protocols !== undefined && Object.keys(rest).length === 0
    if (known && onlyProtocols && [...protocols].every((protocol) => known.protocols.has(protocol))) return known.peer
    const peer = await merge(peerId, data, options)
    remember(remembered, key, peer)
    return peer
  }
  for (const method of ['save', 'patch'] as const) {
    const change = peerStore[method].bind(peerStore)
    // These replace what is known: a protocol may be gone.
    peerStore[method] = async (peerId, data, options) => {
      remembered.delete(peerId.toString())
      return change(peerId, data, options)
    }
  }
  const forget = peerStore.delete.bind(peerStore)
  peerStore.delete = async (peerId, options) => {
    remembered.delete(peerId.toString())
    await forget(peerId, options)
  }
}

function remember(remembered: Map<string, Remembered>, key: string, peer: Peer): void {
  remembered.delete(key)
  remembered.set(key, { peer, protocols: new Set(peer.protocols) })
  const [oldest] = remembered.keys()
  if (remembered.size > LIMIT && oldest !== undefined) remembered.delete(oldest)
}
