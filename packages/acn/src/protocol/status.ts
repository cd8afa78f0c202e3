import { type AcnMessage, encodeAcnMessage, type StatusBody, type StatusMessage } from './acn-message.ts'

/** The codes of a status: `spec/acn.md §4`. ERROR_DECODE is also called ERROR_SERIALIZATION. */
export const STATUS = {
  SUCCESS: 0,
  ERROR_UNSUPPORTED_VERSION: 1,
  ERROR_UNEXPECTED_PAYLOAD: 2,
  ERROR_GENERIC: 3,
  ERROR_DECODE: 4,
  ERROR_WRONG_AGENT_ADDRESS: 10,
  ERROR_WRONG_PUBLIC_KEY: 11,
  ERROR_INVALID_PROOF: 12,
  ERROR_UNSUPPORTED_LEDGER: 13,
  ERROR_UNKNOWN_AGENT_ADDRESS: 20,
  ERROR_AGENT_NOT_READY: 21,
} as const

export type StatusName = keyof typeof STATUS
export type StatusCode = (typeof STATUS)[StatusName]
/** A code that says what went wrong. */
export type ErrorStatusCode = Exclude<StatusCode, typeof STATUS.SUCCESS>

const NAMES: ReadonlyMap<number, StatusName> = new Map(
  (Object.entries(STATUS) as [StatusName, StatusCode][]).map(([name, code]) => [code, name]),
)

/** The name of a code, undefined for a number that is none. */
export function statusName(code: number): StatusName | undefined {
  return NAMES.get(code)
}

/**
 * What went wrong, as the network says it. One that is thrown here carries a text of our own which holds nothing of
 * keys, contents or the workings of a parser, so that it may be sent; one that a peer sent carries the peer's texts.
 */
export class AcnStatusError extends Error {
  /** One of {@link STATUS} except SUCCESS, or an unknown number from a peer. */
  readonly code: number
  /** What goes with the code on the wire. */
  readonly msgs: readonly string[]

  constructor(code: ErrorStatusCode, text: string, options?: ErrorOptions)
  constructor(code: number, text: string, options?: ErrorOptions & { readonly msgs?: readonly string[] })
  constructor(code: number, text: string, options: ErrorOptions & { readonly msgs?: readonly string[] } = {}) {
    super(text, options)
    this.name = 'AcnStatusError'
    this.code = code
    this.msgs = options.msgs ?? [text]
  }

  /** The message that tells a peer or an agent. */
  toMessage(): StatusMessage {
    return { type: 'status', body: { code: this.code, msgs: this.msgs } }
  }
}

/** The status message that says SUCCESS; its empty body must be on the wire. */
export const SUCCESS_MESSAGE: StatusMessage = { type: 'status', body: { code: STATUS.SUCCESS, msgs: [] } }

/** {@link SUCCESS_MESSAGE} encoded: `4a020a00`. Do not change the bytes. */
export const SUCCESS_BYTES: Uint8Array = encodeAcnMessage(SUCCESS_MESSAGE)

/** A status message with a code and texts. */
export function statusMessage(code: number, ...msgs: string[]): StatusMessage {
  return { type: 'status', body: { code, msgs } }
}

/** What a status says. One without a body, which some receivers do not survive, says ERROR_DECODE. */
export function statusOf({ body }: StatusMessage): StatusBody {
  return body ?? { code: STATUS.ERROR_DECODE, msgs: ['status without body'] }
}

/**
 * Checks that an answer is a status that says SUCCESS.
 * @throws AcnStatusError with the code of the status, or ERROR_UNEXPECTED_PAYLOAD for any other message
 */
export function expectSuccess(answer: AcnMessage): void {
  if (answer.type !== 'status') {
    throw new AcnStatusError(STATUS.ERROR_UNEXPECTED_PAYLOAD, `answered with ${answer.type} instead of a status`)
  }
  const { code, msgs } = statusOf(answer)
  if (code !== STATUS.SUCCESS)
    throw new AcnStatusError(code, `answered with status ${statusName(code) ?? code}`, { msgs })
}
