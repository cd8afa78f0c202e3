import { FRAME_HEADER_LENGTH, type StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { AcnConnectionError } from './connection-error.ts'
import type { EntryConnection, EntryHandler } from './entry.ts'
import { MAX_ENVELOPE_LENGTH, MESSAGE_OVERHEAD } from './entry.ts'
import { EnvelopeLink } from './envelope-link.ts'
import { CAPABILITY, type Extension } from './extension.ts'
import type { FrameConnection } from './frame-connection.ts'

/** `spec/acn.md §8`: how long agents wait for a status, ms. */
const STATUS_TIMEOUT = 5_000
/** A Parley node may keep an envelope back while its queue is full, ms. */
const PARLEY_STATUS_TIMEOUT = 40_000
/** Envelopes of a node that may wait for the application; a node sends far fewer without an answer. */
const MAX_HANDLED = 128

export interface LinkConnectionOptions {
  readonly handler: EntryHandler
  /** The largest frame, in bytes, that a node which is not Parley takes whole. */
  readonly safeFrameLength: number
  readonly statusTimeoutMs?: number | undefined
}

/** The agent's side of a connection that carries frames: delegate and pipe. */
export class LinkConnection implements EntryConnection {
  readonly link: EnvelopeLink
  readonly closed: Promise<void>
  readonly #connection: FrameConnection
  readonly #options: LinkConnectionOptions
  #nodeWindow = 1

  constructor(connection: FrameConnection, options: LinkConnectionOptions) {
    this.#connection = connection
    this.#options = options
    this.closed = connection.closed
    const { handler } = options
    this.link = new EnvelopeLink(connection, {
      isParley: false,
      closesOnViolation: false,
      maxHandled: MAX_HANDLED,
      onEnvelope: (bytes, id, isCarried) => handler.onEnvelope(bytes, id, isCarried),
      onReport: (report, id) => handler.onReport(report, id),
    })
  }

  /** The node has answered the Register with this. */
  learn(extension: Extension | undefined): void {
    if (((extension?.capabilities ?? 0) & CAPABILITY.ids) === 0) return
    this.link.becomeParley()
    this.#nodeWindow = Math.max(1, Math.min(extension?.window ?? 1, MAX_HANDLED))
  }

  get isParley(): boolean {
    return this.link.isParley
  }

  get window(): number {
    return this.#nodeWindow
  }

  get maxEnvelopeLength(): number {
    if (this.isParley) return MAX_ENVELOPE_LENGTH
    return this.#options.safeFrameLength - FRAME_HEADER_LENGTH - MESSAGE_OVERHEAD
  }

  get error(): Error | undefined {
    return this.#connection.error
  }

  async send(bytes: Uint8Array, id: EnvelopeId): Promise<StatusBody> {
    const timeoutMs = this.#options.statusTimeoutMs ?? (this.isParley ? PARLEY_STATUS_TIMEOUT : STATUS_TIMEOUT)
    const timer = setTimeout(() => {
      this.#connection.destroy(new AcnConnectionError('TIMEOUT', 'no status in time'))
    }, timeoutMs)
    try {
      const { code, msgs } = await this.link.send({ type: 'envelope', id, bytes })
      return { code, msgs }
    } finally {
      clearTimeout(timer)
    }
  }

  close(): Promise<void> {
    this.#connection.close()
    return this.closed
  }
}
