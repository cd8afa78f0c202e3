import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { BLOCK_SIZE, type BlockConnection } from './block-connection.ts'
import { NetworkError, TransportError } from './errors.ts'

/** Blocks kept for a reader that is behind; beyond that the socket is paused and TCP slows the sender. */
const READ_AHEAD_BLOCKS = 4

/** How long close() lets the peer take what was written and end its side, milliseconds. */
const CLOSE_TIMEOUT = 5_000

/** Longest chain read from a peer: one more than any rule accepts, so that longer ones are refused. */
const MAX_CHAIN_LENGTH = 5

/** Shared by all writes that need not wait. */
const READY = Promise.resolve()

const NO_BYTES = Buffer.alloc(0)

interface Reader {
  resolve(block: Uint8Array | undefined): void
  reject(reason: unknown): void
}

type Ending = { readonly error: Error | undefined }

/**
 * Blocks over a TLS socket that has finished its handshake. Holds no buffer while nothing arrives: a chunk that is
 * exactly one block (the usual case: one TLS record) is handed over as it is, others are collected into one block.
 */
export class TlsBlockConnection implements BlockConnection {
  readonly sessionId: Uint8Array
  readonly alpn: string | undefined
  readonly peerCertificates: readonly Uint8Array[]
  readonly remoteAddress: string
  readonly closed: Promise<void>
  readonly #socket: TLSSocket
  readonly #blocks: Uint8Array[] = []
  #partial: Buffer = NO_BYTES
  #partialLength = 0
  #reader: Reader | undefined
  #ending: Ending | undefined
  #writable: PromiseWithResolvers<void> | undefined
  #corked = false

  /**
   * Must be called in the event that reports the end of the handshake: data arrives from the next turn on, and
   * in TLS 1.3 a server can read the client's Finished only then.
   */
  constructor(socket: TLSSocket, side: 'client' | 'server') {
    this.#socket = socket
    const finished = side === 'client' ? socket.getFinished() : socket.getPeerFinished()
    this.sessionId = finished ? Uint8Array.from(finished) : NO_BYTES
    this.alpn = socket.alpnProtocol || undefined
    this.peerCertificates = peerChain(socket)
    this.remoteAddress = socket.remoteAddress ?? ''
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('drain', () => this.#wakeWriters())
    socket.on('end', () => this.#end(this.#endOfInput()))
    socket.on('error', (cause) => this.#end(connectionFailed(cause)))
    socket.on('close', () => {
      this.#end(undefined)
      this.#wakeWriters()
      resolve()
    })
  }

  get error(): Error | undefined {
    return this.#ending?.error
  }

  tryRead(): Uint8Array | undefined {
    const block = this.#blocks.shift()
    if (block && this.#blocks.length === 0 && this.#socket.isPaused()) this.#socket.resume()
    return block
  }

  read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const block = this.tryRead()
    if (block) return Promise.resolve(block)
    if (this.#ending) return this.#ending.error ? Promise.reject(this.#ending.error) : Promise.resolve(undefined)
    if (this.#reader) return Promise.reject(new Error('another read is waiting'))
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>()
    const reader = { resolve, reject }
    this.#reader = signal ? this.#abortable(reader, signal) : reader
    return promise
  }

  #abortable(reader: Reader, signal: AbortSignal): Reader {
    const abort = () => {
      this.#reader = undefined
      reader.reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    const stop = () => signal.removeEventListener('abort', abort)
    return {
      resolve: (block) => {
        stop()
        reader.resolve(block)
      },
      reject: (reason) => {
        stop()
        reader.reject(reason)
      },
    }
  }

  write(block: Uint8Array, onTaken?: () => void): Promise<void> {
    if (block.length !== BLOCK_SIZE) {
      onTaken?.()
      return ignorable(Promise.reject(new RangeError(`block of ${block.length} bytes, not ${BLOCK_SIZE}`)))
    }
    const socket = this.#socket
    if (!socket.writable) {
      onTaken?.()
      return ignorable(Promise.reject(this.#closedError()))
    }
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      // After all promise reactions of this turn, so that one system call and few packets take all their blocks.
      process.nextTick(TlsBlockConnection.#flushLater, this)
    }
    if (socket.write(block, onTaken)) return READY
    if (!this.#writable) {
      this.#writable = Promise.withResolvers()
      ignorable(this.#writable.promise)
    }
    return this.#writable.promise
  }

  close(): void {
    this.#discardInput()
    this.#end(undefined)
    this.#flush()
    const socket = this.#socket
    if (socket.destroyed) return
    // Not destroySoon(): data that arrives at a destroyed socket makes the kernel throw away what was sent.
    const timer = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT).unref()
    socket.once('close', () => clearTimeout(timer))
    socket.end()
  }

  destroy(reason?: Error): void {
    this.#discardInput()
    this.#end(reason)
    this.#socket.destroy()
  }

  /** A static function, so that writing makes no closure. */
  static #flushLater(connection: TlsBlockConnection): void {
    connection.#flush()
  }

  #flush(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  #receive(chunk: Buffer): void {
    if (this.#ending) return
    let offset = 0
    while (offset < chunk.length) {
      const left = chunk.length - offset
      if (this.#partialLength === 0 && left >= BLOCK_SIZE) {
        this.#deliver(left === BLOCK_SIZE && offset === 0 ? chunk : chunk.subarray(offset, offset + BLOCK_SIZE))
        offset += BLOCK_SIZE
        continue
      }
      if (this.#partialLength === 0) this.#partial = Buffer.allocUnsafe(BLOCK_SIZE)
      const taken = Math.min(left, BLOCK_SIZE - this.#partialLength)
      chunk.copy(this.#partial, this.#partialLength, offset, offset + taken)
      this.#partialLength += taken
      offset += taken
      if (this.#partialLength === BLOCK_SIZE) this.#deliver(this.#takePartial())
    }
  }

  #takePartial(): Uint8Array {
    const block = this.#partial
    this.#discardPartial()
    return block
  }

  #discardPartial(): void {
    this.#partial = NO_BYTES
    this.#partialLength = 0
  }

  #deliver(block: Uint8Array): void {
    const reader = this.#reader
    if (reader) {
      this.#reader = undefined
      reader.resolve(block)
      return
    }
    this.#blocks.push(block)
    if (this.#blocks.length >= READ_AHEAD_BLOCKS) this.#socket.pause()
  }

  #endOfInput(): Error | undefined {
    if (this.#partialLength === 0) return undefined
    return new TransportError('BLOCK', `connection ended after ${this.#partialLength} bytes of a block`)
  }

  #discardInput(): void {
    this.#blocks.length = 0
    // What still arrives is read and dropped, so that the peer's end is noticed.
    this.#socket.resume()
  }

  /** The first call decides how the connection ended. */
  #end(error: Error | undefined): void {
    if (this.#ending) return
    this.#ending = { error }
    this.#discardPartial()
    const reader = this.#reader
    this.#reader = undefined
    if (!reader) return
    if (error) reader.reject(error)
    else reader.resolve(undefined)
  }

  #wakeWriters(): void {
    const writable = this.#writable
    this.#writable = undefined
    if (!writable) return
    if (this.#socket.destroyed) writable.reject(this.#closedError())
    else writable.resolve()
  }

  #closedError(): Error {
    return this.error ?? new NetworkError('FAILED', 'connection is closed')
  }
}

function ignorable(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}

function connectionFailed(cause: Error): NetworkError {
  return new NetworkError('FAILED', `connection failed: ${cause.message}`, { cause })
}

/** The chain in the order sent: `issuerCertificate` of a certificate taken from a handshake is the next one sent. */
function peerChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(Uint8Array.from(certificate.raw))
    certificate = certificate.issuerCertificate
  }
  return chain
}
