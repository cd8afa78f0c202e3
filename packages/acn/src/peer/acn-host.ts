import type { Connection, PeerId, Stream } from '@libp2p/interface'
import {
  type AcnMessage,
  type AgentRecord,
  agentMultihash,
  announcedAddress,
  encodeAcnMessage,
  expectSuccess,
  type HostPort,
  peerIdOf,
  peerPublicKeyFromHex,
  type StatusBody,
  statusOf,
} from '../protocol/index.ts'
import { ProofCache } from '../record/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import type { AcnHostOptions, ChannelOptions, RequestOptions, Route } from './acn-host-options.ts'
import { DhtNode } from './dht/dht-node.ts'
import { AddressLookup, type LookupOptions, type Provider, type Resolution } from './dht/lookup.ts'
import { PeerIds } from './dht/peer-ids.ts'
import { ConnectionLimits } from './host/connection-limits.ts'
import { Dialer } from './host/dialer.ts'
import { type EntryPeer, EntryPeers } from './host/entry-peers.ts'
import { createNode, type Libp2pNode } from './host/libp2p-node.ts'
import { findListenPort } from './host/listen-port.ts'
import { RelayContact } from './host/relay-contact.ts'
import { DEFAULT_PEER_LIMITS, type PeerLimits } from './limits.ts'
import { HostCircuits } from './relay-v1/host-circuits.ts'
import { CIRCUIT_PROTOCOL } from './relay-v1/message.ts'
import { ADDRESS_PROTOCOL, answerLookups, lookupRequest, readLookupAnswer } from './streams/address.ts'
import { Admission } from './streams/admission.ts'
import { answerEnvelopes, ENVELOPE_PROTOCOL, encodeEnvelopeRequest } from './streams/envelope.ts'
import { type Answer, exchange, type StreamEnvironment, serveExchange, unexpectedPayload } from './streams/exchange.ts'
import { FrameChannel } from './streams/frame-channel.ts'
import { LingerQueue } from './streams/linger.ts'
import { NOTIFY_PROTOCOL, sendNotification, takeNotification } from './streams/notify.ts'
import { answerRegistrations, REGISTER_PROTOCOL, registration } from './streams/register.ts'
import { type RemotePeer, remotePeerOf } from './streams/remote-peer.ts'
import { DEFAULT_PEER_TIMEOUTS, type PeerTimeouts } from './timeouts.ts'

/** Streams of one protocol on one connection; {@link PeerLimits.streamsPerConnection} is reached before. */
const MAX_STREAMS = 65_536

/**
 * A peer, or a relay client, of the network at the level of libp2p: connections, streams, the DHT. What the messages
 * mean for agents is its handlers' business.
 */
export class AcnHost {
  readonly peerId: string
  /** Lower-case hexadecimal of the peer's public key. */
  readonly publicKey: string
  /** Proofs that were found valid. */
  readonly proofs: ProofCache
  readonly limits: PeerLimits
  readonly timeouts: PeerTimeouts
  readonly #options: AcnHostOptions
  readonly #abort = new AbortController()
  readonly #libp2p: Libp2pNode
  readonly #peerIds = new PeerIds()
  readonly #dialer: Dialer
  readonly #dht: DhtNode
  readonly #lookup: AddressLookup
  readonly #linger: LingerQueue
  readonly #environment: StreamEnvironment
  readonly #entries: EntryPeers
  readonly #contact: RelayContact | undefined
  readonly #listen: HostPort | undefined
  readonly #circuits: HostCircuits

  private constructor(options: AcnHostOptions, libp2p: Libp2pNode, listen: HostPort | undefined) {
    const { key, entryPeers = [], proofs = new ProofCache(), onFailure } = options
    this.#options = options
    this.#libp2p = libp2p
    this.#listen = listen
    this.peerId = key.peerId
    this.publicKey = key.publicKeyHex
    this.proofs = proofs
    this.limits = { ...DEFAULT_PEER_LIMITS, ...options.limits }
    this.timeouts = { ...DEFAULT_PEER_TIMEOUTS, ...options.timeouts }
    this.#linger = new LingerQueue(this.timeouts.linger)
    this.#environment = {
      limits: this.limits,
      timeouts: this.timeouts,
      admission: new Admission(this.limits),
      linger: this.#linger,
      signal: this.#abort.signal,
      ...(onFailure && { onFailure }),
    }
    this.#dialer = new Dialer(libp2p.node, this.#peerIds, (peer, signal) => this.#dht.findPeer(peer, signal))
    this.#dht = new DhtNode(libp2p, this.#dialer, this.#peerIds, this.limits, this.timeouts)
    this.#lookup = new AddressLookup(
      {
        peerId: this.peerId,
        findProviders: (key, signal) => this.#dht.findProviders(key, signal),
        askProvider: (provider, address, signal) => this.#askProvider(provider, address, signal),
      },
      this.limits,
      this.timeouts,
    )
    this.#entries = new EntryPeers(
      {
        node: libp2p.node,
        routingTable: this.#dht.routingTable,
        timeouts: this.timeouts,
        onReached: (connection, signal) => this.#onEntryReached(connection, signal),
      },
      entryPeers,
    )
    this.#circuits = new HostCircuits({
      libp2p,
      dialer: this.#dialer,
      peerIds: this.#peerIds,
      linger: this.#linger,
      limits: this.limits,
      timeouts: this.timeouts,
      protocolsOf: (peer) => this.#protocolsOf(peer),
      signal: this.#abort.signal,
    })
    this.#contact = listen ? undefined : this.#makeContact(entryPeers)
  }

  /**
   * Makes a host and starts it: it listens and answers, but has not joined yet.
   * @throws the system's error when it cannot listen
   */
  static async start(options: AcnHostOptions): Promise<AcnHost> {
    const limits = { ...DEFAULT_PEER_LIMITS, ...options.limits }
    const timeouts = { ...DEFAULT_PEER_TIMEOUTS, ...options.timeouts }
    const listen = options.listen && (await findListenPort(options.listen))
    const announce = options.announce && { ...options.announce, port: options.announce.port || listen?.port || 0 }
    const libp2p = await createNode({
      privateKey: options.key.exportPrivateKey(),
      listen,
      announce,
      limits,
      timeouts,
      connectionLimits: new ConnectionLimits(limits),
      logger: options.logger,
      metrics: options.metrics,
      observe: options.observe,
    })
    const host = new AcnHost(options, libp2p, listen)
    try {
      await host.#start()
    } catch (error) {
      await host.stop()
      throw error
    }
    return host
  }

  /** Announced multiaddrs with `/p2p/`; those of a relay client lead through its contact. */
  get multiaddrs(): string[] {
    return this.#libp2p.node.getMultiaddrs().map(String)
  }

  /** The announced address as the Go node prints it; undefined for a relay client. */
  get multiaddr(): string | undefined {
    const { announce } = this.#options
    if (!this.#listen) return undefined
    return announcedAddress(
      announce ? { host: announce.host, port: announce.port || this.#listen.port } : this.#listen,
      this.peerId,
    )
  }

  /** Port that is listened on; undefined for a relay client. */
  get port(): number | undefined {
    return this.#listen?.port
  }

  /** Peer ids of all connected peers. */
  get connectedPeers(): string[] {
    // Not by libp2p's set of peers, which makes each key anew out of its text.
    return [...new Set(this.#libp2p.node.getConnections().map((connection) => remotePeerOf(connection).peerId))]
  }

  /** Peer ids of the entry peers that are connected. */
  get connectedEntryPeers(): string[] {
    return this.#entries.connected
  }

  /** Number of peers in the routing table of the DHT. */
  get knownPeers(): number {
    return this.#dht.routingTable.size
  }

  /** Peer id of a relay client's contact; undefined while it has none. */
  get contact(): string | undefined {
    return this.#contact?.contact
  }

  /**
   * Joins the network through the entry peers, as many as can be reached: connects, notifies them, announces the
   * addresses. A relay client takes a contact, reserves a place there and registers. With no entry peers there is
   * nothing to do: a first peer waits for others.
   * @throws JoinError when no entry peer could be reached; the signal's reason
   */
  async join(signal?: AbortSignal): Promise<void> {
    if (this.#entries.size === 0) return
    await this.#entries.join(signal)
    await this.#contact?.start(signal)
    // A relay client too, as the original ones do: peers of the older generation cannot call it through newer relays.
    this.#dht.lookAround(this.#abort.signal).catch(() => {})
    if (!this.#contact) await this.#dht.announcer.enable()
  }

  /**
   * Announces the address of an agent of this node from now on; again before others forget it. Returns when those whom
   * it concerns were told, or the time for that is over: never throws. A peer that is alone keeps it until it is notified.
   */
  async announce(address: string): Promise<void> {
    await this.#dht.announcer.announce(address)
  }

  /** Announces an address no more. */
  withdraw(address: string): void {
    this.#dht.announcer.withdraw(address)
  }

  /** True when other peers were told that the agent is here. */
  isAnnounced(address: string): boolean {
    return this.#dht.announcer.isAnnounced(address)
  }

  /**
   * Looks up where an agent is represented; own agents are not known here. A relay client asks its contact first, as
   * the original ones do: that knows its other clients and looks further itself.
   * @throws the signal's reason
   */
  async resolve(address: string, options: LookupOptions = {}): Promise<Resolution | undefined> {
    const found = (await this.#askContact(address, options)) ?? (await this.#lookup.find(address, options))
    if (found) this.#circuits.heard(found)
    return found
  }

  /** Peer ids of those who say that they provide an address, as they are found. */
  async *providersOf(address: string, signal: AbortSignal): AsyncGenerator<string> {
    for await (const { peerId } of this.#dht.findProviders(agentMultihash(address), signal)) yield peerId
  }

  /** Forgets that an address was not found a moment ago. */
  expect(address: string): void {
    this.#lookup.expect(address)
  }

  /**
   * Asks one peer for the record of an agent.
   * @throws AcnStatusError when it has none or the record proves nothing; FrameError and others when it cannot be asked
   */
  async requestRecord(peerId: string, address: string, options: RequestOptions = {}): Promise<AgentRecord> {
    const { timeout = this.timeouts.lookupRequest } = options
    const request = encodeAcnMessage(lookupRequest(address))
    const answer = await this.#request(peerId, ADDRESS_PROTOCOL, request, { ...options, timeout }, true)
    return readLookupAnswer(answer, address, this.proofs)
  }

  /**
   * Registers an agent of a relay client at its relay.
   * @throws AcnStatusError when it is refused; FrameError and others when the relay cannot be asked
   */
  async requestRegistration(peerId: string, record: AgentRecord, options: RequestOptions = {}): Promise<void> {
    expectSuccess(await this.request(peerId, REGISTER_PROTOCOL, registration(record), options))
  }

  /**
   * Sends an envelope and returns the status that it was answered with, whatever it says.
   * @param record of the sending agent, proven for this peer
   * @param options `id` names the envelope, for a peer that may be Parley: it takes the same name once
   * @throws AcnStatusError when the answer is no status; FrameError and others when there is none
   */
  async sendEnvelope(
    route: Route,
    envelope: Uint8Array,
    record: AgentRecord,
    { id, ...options }: Omit<RequestOptions, 'via'> & { readonly id?: EnvelopeId } = {},
  ): Promise<StatusBody> {
    const { peerId, provider } = route
    const via = provider === undefined || provider === peerId ? {} : { via: provider }
    const request = encodeEnvelopeRequest(envelope, record, id)
    const answer = await this.#request(peerId, ENVELOPE_PROTOCOL, request, { ...options, ...via }, false)
    if (answer.type !== 'status') throw unexpectedPayload()
    return statusOf(answer)
  }

  /**
   * Sends a message on a stream of its own and returns the answer.
   * @throws FrameError when there is no answer; DecodeError; libp2p's errors when the peer cannot be reached
   */
  request(peerId: string, protocol: string, message: AcnMessage, options: RequestOptions = {}): Promise<AcnMessage> {
    return this.#request(peerId, protocol, encodeAcnMessage(message), options, false)
  }

  /**
   * Opens a channel of frames to a peer, for a protocol of Parley's own.
   * @throws when the peer cannot be reached or does not speak the protocol
   */
  async openChannel(
    peerId: string,
    protocol: string,
    { maxFrameLength = this.limits.frameLength, ...options }: RequestOptions & ChannelOptions = {},
  ): Promise<FrameChannel> {
    const stream = await this.#open(peerId, protocol, options)
    return new FrameChannel(stream, maxFrameLength)
  }

  /** Serves channels that other peers open. What the handler throws breaks the channel off. */
  async serveChannels(
    protocol: string,
    handler: (channel: FrameChannel, from: RemotePeer, signal: AbortSignal) => Promise<void>,
    { maxFrameLength = this.limits.frameLength }: ChannelOptions = {},
  ): Promise<void> {
    await this.#handle(protocol, async (stream, connection) => {
      const channel = new FrameChannel(stream, maxFrameLength)
      const from = remotePeerOf(connection)
      try {
        await handler(channel, from, this.#abort.signal)
      } catch (error) {
        channel.abort(error as Error)
        this.#options.onFailure?.(protocol, from, error)
      }
    })
  }

  /** Whether a peer speaks a protocol; undefined while it has not said which ones it does. */
  async speaks(peerId: string, protocol: string): Promise<boolean | undefined> {
    const protocols = await this.#protocolsOf(this.#peerIds.parse(peerId))
    return protocols.length === 0 ? undefined : protocols.includes(protocol)
  }

  /** Stops everything: no announcements, no streams, no connections, no listening. */
  async stop(): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#abort.abort(new Error('host stops'))
    this.#contact?.stop()
    this.#entries.stop()
    this.#lookup.stop()
    this.#dht.stop()
    this.#linger.stop()
    await this.#libp2p.node.stop()
  }

  async #start(): Promise<void> {
    const { node } = this.#libp2p
    const { handlers, addresses = [] } = this.#options
    for (const address of addresses) await this.announce(address)
    await this.#serve(ADDRESS_PROTOCOL, answerLookups(handlers.lookup))
    await this.#serve(ENVELOPE_PROTOCOL, answerEnvelopes(handlers.receive, this.proofs))
    await this.#handle(CIRCUIT_PROTOCOL, (stream, connection) => this.#onCircuit(stream, connection))
    if (this.#listen) {
      if (handlers.register) await this.#serve(REGISTER_PROTOCOL, answerRegistrations(handlers.register, this.proofs))
      await this.#handle(NOTIFY_PROTOCOL, (stream, connection) => this.#onNotification(stream, connection))
    }
    await node.start()
    await this.#dht.start(this.#listen !== undefined)
  }

  async #serve(protocol: string, answer: Answer): Promise<void> {
    await this.#handle(protocol, (stream, connection) =>
      serveExchange(protocol, stream, connection, this.#environment, answer),
    )
  }

  async #handle(
    protocol: string,
    handler: (stream: Stream, connection: Connection) => void | Promise<void>,
  ): Promise<void> {
    await this.#libp2p.node.handle(protocol, handler, {
      maxInboundStreams: MAX_STREAMS,
      maxOutboundStreams: MAX_STREAMS,
      runOnLimitedConnection: true,
    })
  }

  /** Those who join say so; once they are in the routing table there is somebody to announce to. */
  async #onNotification(stream: Stream, connection: Connection): Promise<void> {
    const from = remotePeerOf(connection)
    let leave = () => {}
    try {
      leave = this.#environment.admission.enter(from.peerId)
      takeNotification(stream, this.#linger)
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(this.timeouts.routingTable)])
      await this.#dht.routingTable.waitFor(connection.remotePeer, signal)
      await this.#dht.announcer.enable()
      this.#options.onNotified?.(from)
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#options.onFailure?.(NOTIFY_PROTOCOL, from, error)
    } finally {
      leave()
    }
  }

  async #onCircuit(stream: Stream, connection: Connection): Promise<void> {
    const from = remotePeerOf(connection)
    let leave = () => {}
    try {
      leave = this.#environment.admission.enter(from.peerId)
      await this.#circuits.serve(stream, connection)
    } catch (error) {
      stream.abort(error as Error)
      this.#options.onFailure?.(CIRCUIT_PROTOCOL, from, error)
    } finally {
      leave()
    }
  }

  async #onEntryReached(connection: Connection, signal: AbortSignal): Promise<void> {
    if (!this.#listen) return
    const stream = await this.#dialer.openStream(connection, NOTIFY_PROTOCOL, signal)
    sendNotification(stream, this.#linger)
  }

  async #request(
    peerId: string,
    protocol: string,
    request: Uint8Array,
    options: RequestOptions,
    resetAfterwards: boolean,
  ): Promise<AcnMessage> {
    const { timeout = this.timeouts.request, signal } = options
    const stream = await this.#open(peerId, protocol, options)
    return exchange(stream, request, this.#environment, { timeout, signal, resetAfterwards })
  }

  async #open(peerId: string, protocol: string, { via, signal }: RequestOptions): Promise<Stream> {
    const peer = this.#peerIds.parse(peerId)
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(new Error('no stream in time')), this.timeouts.openStream)
    const signals = [deadline.signal, this.#abort.signal, ...(signal ? [signal] : [])]
    const all = AbortSignal.any(signals)
    try {
      const connection = await this.#dialer.reach(peer, all, via === undefined ? undefined : this.#peerIds.parse(via))
      return await this.#dialer.openStream(connection, protocol, all)
    } finally {
      clearTimeout(timer)
    }
  }

  async #askProvider({ peerId, addresses }: Provider, address: string, signal: AbortSignal): Promise<AgentRecord> {
    await this.#dialer.connect(this.#peerIds.parse(peerId), signal, addresses).catch(() => {
      // The addresses may be old; the request looks for others.
    })
    return this.requestRecord(peerId, address, { signal })
  }

  async #askContact(
    address: string,
    { exclude = [], timeout, signal }: LookupOptions,
  ): Promise<Resolution | undefined> {
    const { contact } = this
    if (contact === undefined || exclude.includes(contact)) return undefined
    try {
      const time = timeout === undefined ? {} : { timeout: Math.max(timeout, this.timeouts.lookupRequest) }
      const record = await this.requestRecord(contact, address, { ...time, ...(signal && { signal }) })
      const peerId = peerIdOf(peerPublicKeyFromHex(record.peerPublicKey))
      return exclude.includes(peerId) ? undefined : { record, peerId, provider: contact }
    } catch {
      signal?.throwIfAborted()
      return undefined
    }
  }

  async #protocolsOf(peer: PeerId): Promise<string[]> {
    try {
      return (await this.#libp2p.node.peerStore.get(peer)).protocols
    } catch {
      return []
    }
  }

  #makeContact(entryPeers: readonly EntryPeer[]): RelayContact {
    const { record, onContact } = this.#options
    return new RelayContact({
      parts: this.#libp2p.parts,
      timeouts: this.timeouts,
      relays: entryPeers.map(({ peerId }) => peerId),
      reach: (relay, signal) => this.#entries.reach(relay, signal),
      protocols: ({ remotePeer }) => this.#protocolsOf(remotePeer),
      register: async (relay, signal) => {
        if (record) await this.requestRegistration(relay, record, { signal })
      },
      onChange: (relay) => onContact?.(relay),
    })
  }
}
