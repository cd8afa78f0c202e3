import { identify } from '@libp2p/identify'
import type { ConnectionEncrypter, Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { type TlsComponents, tls } from '../../../src/peer/tls/encrypter.ts'

/**
 * A libp2p node that knows nothing of the network: what anyone may send to a peer.
 * @param own a key, and that it listens on loopback; without them it has an Ed25519 key and only dials
 */
export async function stranger(
  encrypters: ('tls' | 'noise')[] = ['noise'],
  own: { readonly privateKey?: PrivateKey; readonly listens?: boolean } = {},
): Promise<Libp2p> {
  const known: Record<
    string,
    (components: TlsComponents & Parameters<ReturnType<typeof noise>>[0]) => ConnectionEncrypter
  > = {
    tls: tls(),
    noise: noise(),
  }
  const { privateKey, listens = false } = own
  return createLibp2p({
    ...(privateKey && { privateKey }),
    addresses: { listen: listens ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: encrypters.flatMap((name) => known[name] ?? []),
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
}

/** Opens a stream of a protocol to a peer. */
export async function openTo(node: Libp2p, address: string, protocol: string): Promise<Stream> {
  return node.dialProtocol(multiaddr(address), protocol, { signal: AbortSignal.timeout(10_000) })
}

/** All that comes on a stream until its other side ends or resets it. */
export async function readAll(stream: Stream): Promise<{ bytes: Uint8Array; reset: boolean }> {
  const chunks: Uint8Array[] = []
  const { promise, resolve } = Promise.withResolvers<boolean>()
  stream.addEventListener('message', ({ data }) => chunks.push(data.subarray()))
  stream.addEventListener('end', () => resolve(stream.status === 'reset'))
  stream.addEventListener('close', ({ error }) => resolve(error !== undefined))
  if (stream.status !== 'open') resolve(true)
  const reset = await promise
  return { bytes: Buffer.concat(chunks), reset }
}
