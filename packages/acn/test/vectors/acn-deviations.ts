import { STATUS } from '@parley/acn/protocol'

/** What is to be seen from outside after something bad was sent. */
export interface Outcome {
  /** Codes of the statuses that are answered, in order. */
  readonly codes: readonly number[]
  /** Whether the connection, or the stream until it is closed in order, lives on. */
  readonly isOpen: boolean
}

/** Cases of `acn-negative*.json` in which a node of ours does something else than the original, on purpose. */
interface Deviation extends Outcome {
  /** Names of the cases, as the files have them. */
  readonly cases: readonly string[]
  /** What the original node did. */
  readonly original: string
  /** What ours does, in words. */
  readonly ours: string
  readonly reason: string
}

/** The bytes that were sent without a case: a record with dates that are over. */
export const DATES_OVER = 'sent: record with dates of 2001'

const WHOLE = 'answers SUCCESS, delivers it whole, goes on'

/** All of them. docs/acn-conformance.md has the same list, which is checked. */
export const DEVIATIONS: readonly Deviation[] = [
  {
    cases: ['register without record (4200)'],
    codes: [STATUS.ERROR_UNEXPECTED_PAYLOAD],
    isOpen: false,
    original: 'the process ends',
    ours: 'status 2, then the connection is closed',
    reason: 'nobody may end the node',
  },
  {
    cases: ["ethereum public key '0'"],
    codes: [STATUS.ERROR_WRONG_AGENT_ADDRESS],
    isOpen: false,
    original: 'the process ends',
    ours: 'status 10, then the connection is closed',
    reason: 'nobody may end the node; the key is not that of the address',
  },
  {
    cases: ['after reg: status without body (4a00)'],
    codes: [],
    isOpen: true,
    original: 'the process ends',
    ours: 'no answer; the connection lives',
    reason: 'nobody may end the node; a status that nothing waits for is ignored',
  },
  {
    cases: ['after reg: empty aea_envelope (2a00)'],
    codes: [STATUS.ERROR_WRONG_AGENT_ADDRESS],
    isOpen: true,
    original: 'SUCCESS, and the envelope is lost',
    ours: 'status 10; the connection lives',
    reason: 'stricter: an envelope without a sender is not the agent’s, and SUCCESS is for what is kept',
  },
  {
    cases: [DATES_OVER],
    codes: [STATUS.ERROR_INVALID_PROOF],
    isOpen: false,
    original: 'SUCCESS: dates are not looked at',
    ours: 'status 12, then the connection is closed',
    reason: 'stricter: a record that has dates counts within them',
  },
  {
    cases: [16_300, 16_384, 70_000, 1_048_576].map((size) => `envelope body ${size} B to self via delegate`),
    codes: [STATUS.SUCCESS],
    isOpen: true,
    original: 'SUCCESS, nothing is delivered, the connection ends',
    ours: WHOLE,
    reason: 'frames are read whole',
  },
  {
    cases: [16_384, 100_000].map((size) => `delegate A->B body ${size}`),
    codes: [STATUS.SUCCESS],
    isOpen: true,
    original: 'SUCCESS, zeros are delivered instead of the rest, the connection ends',
    ours: WHOLE,
    reason: 'frames are read whole',
  },
  {
    cases: ['frame split in two TLS records'],
    codes: [STATUS.SUCCESS],
    isOpen: true,
    original: 'SUCCESS, zeros are delivered, the connection ends',
    ours: WHOLE,
    reason: 'frames are read whole',
  },
  {
    cases: ['silent TCP connection (no ClientHello)'],
    codes: [],
    isOpen: true,
    original: 'nobody else is served',
    ours: 'others are served at once',
    reason: 'handshakes wait for nobody',
  },
  {
    cases: ['stream /aea: aea_envelope without record', 'stream /aea-register: register without record'],
    codes: [STATUS.ERROR_UNEXPECTED_PAYLOAD],
    isOpen: true,
    original: 'the process ends',
    ours: 'status 2, then the stream is closed',
    reason: 'nobody may end the node',
  },
  {
    cases: ['stream /aea-address: garbage', 'stream /aea-register: garbage'],
    codes: [STATUS.ERROR_DECODE],
    isOpen: true,
    original: 'the stream is reset, with the status lost on /aea-address',
    ours: 'status 4, then the stream is closed',
    reason: 'a status is there to be read',
  },
]

const BY_CASE = new Map(DEVIATIONS.flatMap((deviation) => deviation.cases.map((name) => [name, deviation])))

/** What is expected of ours in a case where it is not what the original did. */
export function deviationOf(name: string): Outcome | undefined {
  return BY_CASE.get(name)
}
