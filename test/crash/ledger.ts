/**
 * What the two applications know of one direction of the conversation, and what may not happen in it: every accepted
 * message is acknowledged once and in order, and a message comes again only with the same id and only until its
 * acknowledgement was answered.
 */
export class Ledger {
  readonly name: string
  /** Content of each message whose sending was answered, with the id that the answer gave. */
  readonly accepted = new Map<string, number>()
  /** Faults, in words. */
  readonly faults: string[]
  readonly #received = new Map<string, number>()
  readonly #acknowledged = new Set<string>()
  #lastText = ''

  constructor(name: string, faults: string[]) {
    this.name = name
    this.faults = faults
  }

  /** Accepted and not yet known to be acknowledged. */
  get underWay(): number {
    return [...this.accepted.keys()].filter((text) => !this.#acknowledged.has(text)).length
  }

  /** Messages that are acknowledged, those included whose sending was never answered. */
  get acknowledged(): number {
    return this.#acknowledged.size
  }

  /** The sender's application got its answer. */
  accept(text: string, msgId: number): void {
    if (this.accepted.has(text)) this.#fault(`${text} was sent twice`)
    this.accepted.set(text, msgId)
  }

  /** The receiver's application got a MSG. */
  receive(text: string, msgId: number, integrity: unknown): void {
    if (integrity !== 'ok') this.#fault(`${text} has integrity ${JSON.stringify(integrity)}`)
    const known = this.#received.get(text)
    if (known !== undefined) {
      if (known !== msgId) this.#fault(`${text} came as ${known} and again as ${msgId}`)
      if (this.#acknowledged.has(text)) this.#fault(`${text} came again after its acknowledgement was answered`)
      return
    }
    this.#received.set(text, msgId)
    if (this.#lastText !== '' && !isBefore(this.#lastText, text)) this.#fault(`${text} came after ${this.#lastText}`)
    // The next message comes only when this one is acknowledged, also where the answer to that was lost.
    if (this.#lastText !== '') this.#acknowledged.add(this.#lastText)
    this.#lastText = text
  }

  /** The receiver's application got the answer to its acknowledgement. */
  acknowledge(text: string): void {
    this.#acknowledged.add(text)
  }

  /** Accepted messages that the receiver never got. */
  missing(): string[] {
    return [...this.accepted.keys()].filter((text) => !this.#received.has(text))
  }

  #fault(what: string): void {
    this.faults.push(`${this.name}: ${what}`)
  }
}

/** Texts are `number.attempt`: an attempt whose answer was lost may arrive, before the attempt that followed. */
function isBefore(earlier: string, later: string): boolean {
  const [number = 0, attempt = 0] = earlier.split('.').map(Number)
  const [laterNumber = 0, laterAttempt = 0] = later.split('.').map(Number)
  return number === laterNumber ? attempt < laterAttempt : number < laterNumber
}
