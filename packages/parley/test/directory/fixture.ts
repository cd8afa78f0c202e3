import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import type { AcnHost, AcnHostOptions, ChannelOptions, RemotePeer, RequestOptions } from '@parley/acn/peer'
import { PeerKey } from '@parley/acn/record'
import { TestPeer } from '../../../acn/test/peer/test-peer.ts'
import type { SignedCard } from '../../src/card/index.ts'
import type { CardChannel } from '../../src/directory/directory-host.ts'
import {
  CARD_PROTOCOL,
  CardDirectory,
  type CardDirectoryOptions,
  CardStore,
  DEFAULT_DIRECTORY_LIMITS,
  type DirectoryHost,
  type RefusedCard,
} from '../../src/directory/index.ts'
import type { SampleAgent } from '../card/sample.ts'

/** A frame that a peer sent or received in the clear, behind its TLS. */
export interface SeenFrame {
  readonly peerId: string
  /** Who opened the channel. */
  readonly opened: 'here' | 'there'
  readonly direction: 'in' | 'out'
  readonly body: Uint8Array
}

/** What somebody who sits inside a peer can do to a frame: undefined lets it vanish. */
export type Meddle = (frame: SeenFrame) => Uint8Array | undefined

/** A tap inside a peer: sees all that its directory says and hears, and may change it. */
export class TappedHost implements DirectoryHost {
  readonly frames: SeenFrame[] = []
  /** Channels that were opened, by the other peer's id. */
  readonly channels: Pick<SeenFrame, 'peerId' | 'opened'>[] = []
  meddle: Meddle = ({ body }) => body
  /** Peers that the directory takes for connected; all that are by default. */
  sees: (peerId: string) => boolean = () => true
  readonly #host: AcnHost

  constructor(host: AcnHost) {
    this.#host = host
  }

  get peerId(): string {
    return this.#host.peerId
  }

  get connectedPeers(): string[] {
    return this.#host.connectedPeers.filter(this.sees)
  }

  speaks(peerId: string, protocol: string): Promise<boolean | undefined> {
    return this.#host.speaks(peerId, protocol)
  }

  providersOf(address: string, signal: AbortSignal): AsyncIterable<string> {
    return this.#host.providersOf(address, signal)
  }

  async openChannel(peerId: string, protocol: string, options: RequestOptions & ChannelOptions): Promise<CardChannel> {
    const channel = await this.#host.openChannel(peerId, protocol, options)
    return this.#tap(channel, peerId, 'here')
  }

  serveChannels(
    protocol: string,
    handler: (channel: CardChannel, from: RemotePeer, signal: AbortSignal) => Promise<void>,
    options: ChannelOptions,
  ): Promise<void> {
    return this.#host.serveChannels(
      protocol,
      (channel, from, signal) => handler(this.#tap(channel, from.peerId, 'there'), from, signal),
      options,
    )
  }

  #tap(channel: CardChannel, peerId: string, opened: SeenFrame['opened']): CardChannel {
    this.channels.push({ peerId, opened })
    const see = (direction: SeenFrame['direction'], body: Uint8Array) => {
      const frame = { peerId, opened, direction, body }
      this.frames.push(frame)
      return this.meddle(frame)
    }
    return {
      read: async (signal) => {
        const body = await channel.read(signal)
        return body && see('in', body)
      },
      write: async (body, signal) => {
        const changed = see('out', body)
        if (changed) await channel.write(changed, signal)
      },
      close: () => channel.close(),
      abort: (error) => channel.abort(error),
    }
  }
}

/** A peer of the network with a directory, and a tap in it. */
export interface DirectoryPeer {
  readonly peer: TestPeer
  readonly host: TappedHost
  readonly directory: CardDirectory
  readonly refused: RefusedCard[]
  /** Addresses that count as registered here. */
  readonly registered: Set<string>
  readonly key: PeerKey
}

/** A peer or a node through which others enter. */
interface Entry {
  readonly multiaddr: string | undefined
}

/** Limits that a test does not run into. */
const GENEROUS = { atOnce: 500, atOncePerPeer: 500, perSecond: 1000, perSecondPerPeer: 1000, burstPerPeer: 1000 }

/** Times that a busy machine keeps. */
const PATIENT = { ask: 15_000, search: 20_000, relay: 20_000, link: 15_000 }

let keys = 100

/** Starts a plain peer; stopped after the test. */
export async function startPeer(
  t: TestContext,
  entries: readonly Entry[] = [],
  { agent, key = new PeerKey(new Uint8Array(32).fill(keys++)), ...rest }: PeerOptions = {},
): Promise<TestPeer> {
  const peer = await TestPeer.start({
    ...rest,
    key,
    entryPeers: entries.map(({ multiaddr }) => multiaddr ?? ''),
    ...(agent && { record: agent.recordFor(key) }),
  })
  t.after(() => peer.stop())
  return peer
}

interface PeerOptions extends Partial<Pick<AcnHostOptions, 'limits' | 'timeouts'>> {
  /** The agent of the peer, whose address it announces. */
  readonly agent?: SampleAgent
  readonly key?: PeerKey
}

/** Starts a peer with a directory, after those that it enters through; it has joined. */
export async function startDirectory(
  t: TestContext,
  entries: readonly Entry[] = [],
  {
    agent,
    directory: options = {},
    file = join(temporaryFolder(), 'cards.db'),
  }: {
    readonly agent?: SampleAgent
    readonly directory?: Partial<CardDirectoryOptions>
    readonly file?: string
  } = {},
): Promise<DirectoryPeer> {
  const key = new PeerKey(new Uint8Array(32).fill(keys++))
  const peer = await startPeer(t, entries, { ...(agent && { agent }), key })
  const host = new TappedHost(peer.host)
  const limits = { ...DEFAULT_DIRECTORY_LIMITS, answering: GENEROUS, ...options.limits }
  const store = CardStore.open({ file, limits })
  const refused: RefusedCard[] = []
  const registered = new Set<string>()
  const directory = await CardDirectory.start({
    host,
    key,
    store,
    isRegistered: (address) => registered.has(address),
    onRefused: (card) => refused.push(card),
    ...options,
    limits,
    timeouts: { ...PATIENT, ...options.timeouts },
  })
  t.after(() => {
    directory.stop()
    store.close()
  })
  await peer.host.join()
  return { peer, host, directory, refused, registered, key }
}

const folders = new Set<string>()
// After all tests of the file: hooks of a test run in the order in which they were made, and stores come later.
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is removed in the end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-directory-'))
  folders.add(folder)
  return folder
}

/** Waits until a peer is connected to another and knows whether that speaks of cards. */
export async function untilKnown(
  from: { readonly host: DirectoryHost },
  to: { readonly host: { readonly peerId: string } },
  speaks = true,
): Promise<void> {
  await until(async () => (await from.host.speaks(to.host.peerId, CARD_PROTOCOL)) === speaks)
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>, patience = 20_000): Promise<void> {
  const end = AbortSignal.timeout(patience)
  while (!(await isSo())) {
    end.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A card of an agent, signed by its ledger key, at this moment of the clock. */
export function cardNow(agent: SampleAgent, changes: Parameters<SampleAgent['card']>[0] = {}): Promise<SignedCard> {
  return agent.sign(agent.card({ now: Date.now(), ...changes }))
}
