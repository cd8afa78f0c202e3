import { encodeAcnMessage, encodeEnvelope, encodeFrame } from '@parley/acn/protocol'

/** By these bytes the number of an envelope is found again without decoding it. */
const MARK = Buffer.from('number: ', 'latin1')

/** Who sends to whom, and how many bytes of message. */
export interface Way {
  readonly from: string
  readonly to: string
  readonly size: number
}

/** The frame of an envelope, encoded once; each use differs in its number only, so that the load costs little. */
export class NumberedFrame {
  readonly #frame: Buffer
  readonly #at: number

  constructor({ from, to, size }: Way) {
    const message = Buffer.alloc(Math.max(size, MARK.length + 4), 'x')
    MARK.copy(message)
    const envelope = encodeEnvelope({ to, sender: from, protocolId: 'fetchai/default:1.0.0', message, uri: '' })
    this.#frame = Buffer.from(encodeFrame(encodeAcnMessage({ type: 'aeaEnvelope', envelope })))
    this.#at = this.#frame.indexOf(MARK) + MARK.length
  }

  /** A copy with this number, from 0 to 2^32 - 1. */
  numbered(number: number): Buffer {
    const frame = Buffer.from(this.#frame)
    frame.writeUInt32BE(number, this.#at)
    return frame
  }

  /** The number of the envelope in a frame's body; -1 when there is none. */
  static numberIn(body: Buffer): number {
    const at = body.indexOf(MARK)
    return at < 0 ? -1 : body.readUInt32BE(at + MARK.length)
  }
}
