import type { PeerId } from '@libp2p/interface'
import { compareDistance, pointOf } from './distance.ts'
import { DHT_MESSAGE, type DhtMessage, type DhtPeer } from './message.ts'

/** Peers closest to a key that keep its records, and how many are asked at once: Kademlia's k and alpha. */
export const CLOSEST_PEERS = 20
const CONCURRENCY = 3
/** Peers that one search asks at most. */
const MAX_ASKED = 200
/** Peers that one search remembers at most. */
const MAX_KNOWN = 2000

/** What a search works with. */
export interface SearchNetwork {
  /** Own id, which is never asked. */
  readonly self: Uint8Array
  /** Known peers closest to a point. */
  closest(point: Uint8Array, count: number): PeerId[]
  /**
   * Asks a peer that is near the key.
   * @throws when it does not answer; it counts as gone then
   */
  ask(peer: DhtPeer, message: DhtMessage, signal: AbortSignal): Promise<DhtMessage>
}

/** What a search tells as it goes on. */
export interface SearchStep {
  /** Peer that answered. */
  readonly from: DhtPeer
  readonly answer: DhtMessage
}

interface Candidate extends DhtPeer {
  readonly point: Uint8Array
  state: 'new' | 'asking' | 'answered' | 'failed'
}

/**
 * Walks towards a key, asking `type` of ever closer peers until the {@link CLOSEST_PEERS} closest have answered.
 * Ends when the caller breaks off or the signal aborts (without throwing); questions under way are given up then.
 */
export async function* search(
  network: SearchNetwork,
  type: number,
  key: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<SearchStep> {
  const walk = new Walk(network, { type, key, closerPeers: [], providerPeers: [] }, signal)
  try {
    yield* walk.run()
  } finally {
    walk.stop()
  }
}

class Walk {
  readonly #network: SearchNetwork
  readonly #question: DhtMessage
  readonly #target: Uint8Array
  readonly #abort = new AbortController()
  readonly #signal: AbortSignal
  readonly #known = new Map<string, Candidate>()
  /** In order of distance. */
  readonly #candidates: Candidate[] = []
  /** Answers that were not looked at yet. */
  readonly #steps: SearchStep[] = []
  #asked = 0
  #asking = 0
  #wake: (() => void) | undefined

  constructor(network: SearchNetwork, question: DhtMessage, signal: AbortSignal) {
    this.#network = network
    this.#question = question
    this.#target = pointOf(question.key)
    this.#signal = AbortSignal.any([signal, this.#abort.signal])
    this.#known.set(idText(network.self), { id: network.self, addresses: [], point: this.#target, state: 'failed' })
    for (const peer of network.closest(this.#target, CLOSEST_PEERS)) {
      this.#add({ id: peer.toMultihash().bytes, addresses: [] })
    }
  }

  async *run(): AsyncGenerator<SearchStep> {
    while (!this.#signal.aborted) {
      this.#askNext()
      const step = this.#steps.shift()
      if (step) {
        for (const peer of step.answer.closerPeers) this.#add(peer)
        yield step
      } else if (this.#asking === 0) return
      else await this.#change()
    }
  }

  stop(): void {
    this.#abort.abort(new Error('search ended'))
  }

  /** Asks the closest candidates, as long as those that failed do not leave fewer than k. */
  #askNext(): void {
    let near = 0
    for (const candidate of this.#candidates) {
      if (near === CLOSEST_PEERS || this.#asking >= CONCURRENCY || this.#asked === MAX_ASKED) return
      if (candidate.state === 'failed') continue
      near++
      if (candidate.state === 'new') this.#ask(candidate)
    }
  }

  #ask(candidate: Candidate): void {
    candidate.state = 'asking'
    this.#asked++
    this.#asking++
    this.#network
      .ask(candidate, this.#question, this.#signal)
      .then(
        (answer) => {
          candidate.state = 'answered'
          this.#steps.push({ from: candidate, answer })
        },
        () => {
          candidate.state = 'failed'
        },
      )
      .finally(() => {
        this.#asking--
        this.#wake?.()
      })
  }

  /** Waits until a question is answered or has failed, which all do when the search ends. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #add({ id, addresses }: DhtPeer): void {
    const text = idText(id)
    if (this.#known.has(text) || this.#known.size >= MAX_KNOWN) return
    const candidate: Candidate = { id, addresses, point: pointOf(id), state: 'new' }
    this.#known.set(text, candidate)
    let at = this.#candidates.length
    while (at > 0 && compareDistance(this.#target, candidate.point, this.#pointAt(at - 1)) < 0) at--
    this.#candidates.splice(at, 0, candidate)
  }

  #pointAt(index: number): Uint8Array {
    return this.#candidates[index]?.point ?? this.#target
  }
}

function idText(id: Uint8Array): string {
  return Buffer.from(id).toString('latin1')
}

/** The peers closest to a key that answer, the closest first: those that should keep records of it. */
export async function findClosest(network: SearchNetwork, key: Uint8Array, signal: AbortSignal): Promise<DhtPeer[]> {
  const target = pointOf(key)
  const found: DhtPeer[] = []
  for await (const { from } of search(network, DHT_MESSAGE.FIND_NODE, key, signal)) found.push(from)
  return found
    .map((peer) => ({ peer, point: pointOf(peer.id) }))
    .sort((a, b) => compareDistance(target, a.point, b.point))
    .slice(0, CLOSEST_PEERS)
    .map(({ peer }) => peer)
}
