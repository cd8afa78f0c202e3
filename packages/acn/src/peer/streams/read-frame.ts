import type { Stream } from '@libp2p/interface'
import { DecodeError } from '@parley/core/encoding'
import { FrameDecoder } from '../../protocol/index.ts'

/** Why no whole frame came. */
export class FrameError extends Error {
  readonly code: 'TIMEOUT' | 'CLOSED' | 'MALFORMED' | 'STOPPED'

  constructor(code: FrameError['code'], text: string, options?: ErrorOptions) {
    super(text, options)
    this.name = 'FrameError'
    this.code = code
  }
}

/** How a frame is read. */
export interface ReadFrameOptions {
  /** Longest body, in bytes. */
  readonly maxLength: number
  /** Milliseconds. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/**
 * The body of the first frame that comes on a stream; what follows it is dropped. Listens for messages rather than
 * reading byte by byte, with a timer rather than a signal of its own: both are what a stream costs most.
 * @throws FrameError
 */
export async function readFrame(stream: Stream, { maxLength, timeout, signal }: ReadFrameOptions): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const decoder = new FrameDecoder({ maxLength })
  let settled = false
  /** Errors are made only when they are used: the end of a stream comes after each frame, and a stack is dear. */
  const fail = (code: FrameError['code'], text: string, cause?: unknown) => {
    if (settled) return
    settled = true
    reject(new FrameError(code, text, cause === undefined ? {} : { cause }))
  }
  const onMessage = ({ data }: { data: Uint8Array | Iterable<Uint8Array> }) => {
    if (settled) return
    try {
      for (const chunk of data instanceof Uint8Array ? [data] : data) decoder.push(chunk)
      const body = decoder.next()
      if (!body) return
      settled = true
      resolve(body)
    } catch (error) {
      fail('MALFORMED', error instanceof DecodeError ? error.message : 'frame cannot be read', error)
    }
  }
  const onEnd = () => fail('CLOSED', 'stream ended before a whole frame')
  const onClose = ({ error }: { error?: Error }) => fail('CLOSED', 'stream closed before a whole frame', error)
  const onAbort = () => fail('STOPPED', 'given up', signal?.reason)
  const timer = setTimeout(() => fail('TIMEOUT', 'no frame in time'), timeout)
  stream.addEventListener('message', onMessage)
  // Emitted once all that was received has been handed on, unlike the remote side's close.
  stream.addEventListener('end', onEnd)
  stream.addEventListener('close', onClose)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (stream.readableEnded) onEnd()
  if (stream.status === 'reset' || stream.status === 'aborted') onClose({})
  if (signal?.aborted) onAbort()
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('end', onEnd)
    stream.removeEventListener('close', onClose)
    signal?.removeEventListener('abort', onAbort)
  }
}
