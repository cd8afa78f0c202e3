import type { EntranceKind } from '../entrance.ts'
import { STATUS, type StatusBody } from '../protocol/index.ts'

/** Codes of error statuses that agents of other programs are told, by entrance; of the rest they hear SUCCESS. */
export type ToldErrors = Readonly<Record<EntranceKind, ReadonlySet<number>>>

/**
 * What the unchanged Python clients survive, as tried with them: `docs/acn.md`.
 *
 * - direct: any error makes the client restart its node, and then disconnect its agent.
 * - delegate: an error costs it a new connection, one repetition and ten seconds in which it does not read; then it goes
 *   on, and nothing else is lost.
 * - mailbox: it registers again, repeats once, and then disconnects its agent.
 */
export const TOLD_ERRORS: ToldErrors = {
  direct: new Set(),
  delegate: new Set(Object.values(STATUS)),
  mailbox: new Set(),
}

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }

/** Whether an agent is told of an error status with this code: a Parley agent always. */
export function isTold(kind: EntranceKind, isParley: boolean, code: number, told: ToldErrors = TOLD_ERRORS): boolean {
  return isParley || code === STATUS.SUCCESS || told[kind].has(code)
}

/** What an agent gets to hear of a status. */
export function answerFor(tellsError: (code: number) => boolean, status: StatusBody): StatusBody {
  return status.code === STATUS.SUCCESS || tellsError(status.code) ? status : SUCCESS
}
