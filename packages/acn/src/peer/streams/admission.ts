import type { PeerLimits } from '../limits.ts'

/** Why a stream is not answered. */
export class AdmissionError extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'AdmissionError'
  }
}

interface PeerAccount {
  answering: number
  /** Streams that may be opened now. */
  tokens: number
  /** When {@link tokens} was reckoned. */
  at: number
}

/** What an {@link Admission} keeps to. */
export type AdmissionLimits = Pick<
  PeerLimits,
  'answering' | 'answeringPerPeer' | 'streamRatePerPeer' | 'streamBurstPerPeer' | 'rememberedPeers'
>

/**
 * Decides whether a stream that a peer opens is answered: so many at once for one peer and for all, and per peer so many
 * a second with a burst above.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #peers = new Map<string, PeerAccount>()
  #answering = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Streams that are being answered. */
  get answering(): number {
    return this.#answering
  }

  /**
   * Takes a place for one stream. Returns what gives it back; calling that twice does nothing more.
   * @throws AdmissionError
   */
  enter(peerId: string, now = Date.now()): () => void {
    const account = this.#account(peerId, now)
    const { answering, answeringPerPeer } = this.#limits
    if (this.#answering >= answering) throw new AdmissionError('too many streams')
    if (account.answering >= answeringPerPeer) throw new AdmissionError('too many streams of this peer')
    if (account.tokens < 1) throw new AdmissionError('streams of this peer come too fast')
    account.tokens--
    account.answering++
    this.#answering++
    let left = false
    return () => {
      if (left) return
      left = true
      account.answering--
      this.#answering--
    }
  }

  #account(peerId: string, now: number): PeerAccount {
    const { streamRatePerPeer, streamBurstPerPeer } = this.#limits
    let account = this.#peers.get(peerId)
    if (!account) {
      this.#makeRoom()
      account = { answering: 0, tokens: streamBurstPerPeer, at: now }
      this.#peers.set(peerId, account)
      return account
    }
    account.tokens = Math.min(streamBurstPerPeer, account.tokens + ((now - account.at) / 1000) * streamRatePerPeer)
    account.at = now
    return account
  }

  #makeRoom(): void {
    for (const [peerId, { answering }] of this.#peers) {
      if (this.#peers.size < this.#limits.rememberedPeers) return
      if (answering === 0) this.#peers.delete(peerId)
    }
  }
}
