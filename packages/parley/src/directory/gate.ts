import { Admission, AdmissionError } from '@parley/acn/peer'
import { type GateLimits, limitsOfAll, limitsPerPeer } from './limits.ts'

const EVERYBODY = ''

/** Lets in what is within the limits, of one peer first: nobody uses up what is everybody's by asking alone. */
export class Gate {
  readonly #perPeer: Admission
  readonly #all: Admission

  constructor(limits: GateLimits) {
    this.#perPeer = new Admission(limitsPerPeer(limits))
    this.#all = new Admission(limitsOfAll(limits))
  }

  /** Takes a place; returns what gives it back, undefined when there is none. */
  tryEnter(peerId: string): (() => void) | undefined {
    try {
      const leave = this.#perPeer.enter(peerId)
      try {
        const leaveAll = this.#all.enter(EVERYBODY)
        return () => {
          leave()
          leaveAll()
        }
      } catch (error) {
        leave()
        throw error
      }
    } catch (error) {
      if (error instanceof AdmissionError) return undefined
      throw error
    }
  }
}
