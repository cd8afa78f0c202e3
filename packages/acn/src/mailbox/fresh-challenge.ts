import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { CHALLENGE_LENGTH } from '../entrance/extension.ts'

/** How long an agent may take to sign, ms. */
const VALID_FOR = 60_000
const TIME_LENGTH = 8

/**
 * Challenges that need no memory: the time and a code over it and the agent's address, which this process alone can
 * make.
 */
export class FreshChallenges {
  readonly #key = randomBytes(32)

  /** A challenge for an agent, {@link CHALLENGE_LENGTH} bytes. */
  create(agentAddress: string): Uint8Array {
    return this.#make(agentAddress, Date.now())
  }

  /** Whether it is one of this agent's that was made a short while ago. */
  isFresh(agentAddress: string, challenge: Uint8Array): boolean {
    if (challenge.length !== CHALLENGE_LENGTH) return false
    const madeAt = Number(Buffer.from(challenge).readBigUInt64BE())
    const age = Date.now() - madeAt
    return age >= 0 && age <= VALID_FOR && timingSafeEqual(challenge, this.#make(agentAddress, madeAt))
  }

  #make(agentAddress: string, time: number): Uint8Array {
    const challenge = Buffer.alloc(CHALLENGE_LENGTH)
    challenge.writeBigUInt64BE(BigInt(time))
    const code = createHmac('sha256', this.#key)
      .update(challenge.subarray(0, TIME_LENGTH))
      .update(agentAddress)
      .digest()
    code.copy(challenge, TIME_LENGTH, 0, CHALLENGE_LENGTH - TIME_LENGTH)
    return challenge
  }
}
