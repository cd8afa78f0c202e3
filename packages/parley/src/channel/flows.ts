import type { Admission } from './admission.ts'
import type { Closings } from './closings.ts'
import type { Openings } from './openings.ts'
import type { Pair } from './pair.ts'
import type { Receiver } from './receiver.ts'
import type { Sender } from './sender.ts'

/** The parts that act, for those that drive them. */
export interface Flows {
  readonly openings: Openings
  readonly closings: Closings
  readonly admission: Admission
  senderOf(pair: Pair): Sender
  receiverOf(pair: Pair): Receiver
  /** The pair is not known any more. */
  forget(pair: Pair): void
}
