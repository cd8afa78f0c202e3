import { envelopeKey } from './pair-key.ts'

/** Envelopes that are being sent to other peers: whoever wants to know what became of one waits for its end. */
export class UnderWay {
  readonly #envelopes = new Map<string, PromiseWithResolvers<void>>()

  begin(to: string, sender: string, id: string): void {
    this.#envelopes.set(envelopeKey(to, sender, id), Promise.withResolvers())
  }

  /** It was delivered and has left the store, or is back in its queue. */
  end(to: string, sender: string, id: string): void {
    const name = envelopeKey(to, sender, id)
    this.#envelopes.get(name)?.resolve()
    this.#envelopes.delete(name)
  }

  /** Resolves when an envelope is not, or no more, being sent. */
  ended(to: string, sender: string, id: string): Promise<void> {
    return this.#envelopes.get(envelopeKey(to, sender, id))?.promise ?? Promise.resolve()
  }
}
