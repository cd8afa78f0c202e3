/** Why there is no circuit. */
export class CircuitError extends Error {
  /** One of `CIRCUIT_STATUS`, as it is said to the other side or was said by it. */
  readonly code: number

  constructor(code: number, text: string, options?: ErrorOptions) {
    super(`${text} (${code})`, options)
    this.name = 'CircuitError'
    this.code = code
  }
}
