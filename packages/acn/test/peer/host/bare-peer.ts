import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type AcnMessage, agentMultihash, decodeAcnMessage, encodeFrame, FrameDecoder } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { DHT_MESSAGE, encodeDhtMessage } from '../../../src/peer/dht/message.ts'
import { encodeVarintFrame } from '../../../src/peer/dht/varint-frames.ts'
import { openTo, stranger } from './stranger.ts'

/** The body to answer with; undefined resets the stream. */
type BareAnswer = (request: AcnMessage, stream: Stream) => Uint8Array | undefined

/** A peer of the network by hand: it says that it provides addresses, and answers on its streams whatever it is told to. */
export class BarePeer {
  readonly key: PeerKey
  readonly #node: Libp2p

  private constructor(key: PeerKey, node: Libp2p) {
    this.key = key
    this.#node = node
  }

  /** To be stopped by the one who starts it. */
  static async start(): Promise<BarePeer> {
    const privateKey = randomBytes(32)
    const node = await stranger(['noise'], { privateKey: privateKeyFromRaw(privateKey), listens: true })
    return new BarePeer(new PeerKey(privateKey), node)
  }

  /** Answers what comes on streams of a protocol. Like a Go node it never closes its half. */
  async answer(protocol: string, answer: BareAnswer): Promise<void> {
    await this.#node.handle(protocol, (stream) => {
      const decoder = new FrameDecoder()
      stream.addEventListener('message', ({ data }) => {
        decoder.push(data.subarray())
        const body = decoder.next()
        if (!body) return
        const reply = answer(decodeAcnMessage(body), stream)
        if (reply) stream.send(encodeFrame(reply))
        else stream.abort(new Error('no answer'))
      })
    })
  }

  /** Tells a peer that agents can be found here. */
  async provide(peer: string, ...addresses: readonly string[]): Promise<void> {
    const self = this.#node.peerId.toMultihash().bytes
    const own = this.#node.getMultiaddrs().map((address) => multiaddr(String(address).replace(/\/p2p\/.*$/, '')).bytes)
    const stream = await openTo(this.#node, peer, '/ipfs/kad/1.0.0')
    for (const address of addresses) {
      const providerPeers = [{ id: self, addresses: own }]
      const key = agentMultihash(address)
      const message = { type: DHT_MESSAGE.ADD_PROVIDER, key, closerPeers: [], providerPeers }
      stream.send(encodeVarintFrame(encodeDhtMessage(message)))
    }
    await stream.close()
  }

  /** Sends a body on a stream of its own and gives the one that comes back; undefined when the stream is reset. */
  async ask(peer: string, protocol: string, body: Uint8Array): Promise<AcnMessage | undefined> {
    const stream = await openTo(this.#node, peer, protocol)
    const decoder = new FrameDecoder()
    const { promise, resolve } = Promise.withResolvers<AcnMessage | undefined>()
    stream.addEventListener('message', ({ data }) => {
      decoder.push(data.subarray())
      const answer = decoder.next()
      if (answer) resolve(decodeAcnMessage(answer))
    })
    stream.addEventListener('close', () => resolve(undefined))
    stream.send(encodeFrame(body))
    const answer = await promise
    stream.abort(new Error('answered'))
    return answer
  }

  async stop(): Promise<void> {
    await this.#node.stop()
    assert.equal(this.#node.status, 'stopped')
  }
}
