import type { Connection, Stream } from '@libp2p/interface'
import { DecodeError } from '@parley/core/encoding'
import {
  type AcnMessage,
  AcnStatusError,
  decodeAcnMessage,
  encodeAcnMessage,
  encodeFrame,
  STATUS,
  SUCCESS_BYTES,
} from '../../protocol/index.ts'
import type { PeerLimits } from '../limits.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import type { Admission } from './admission.ts'
import type { LingerQueue } from './linger.ts'
import { FrameError, readFrame } from './read-frame.ts'
import { type RemotePeer, remotePeerOf } from './remote-peer.ts'

/** What all streams of a host share. */
export interface StreamEnvironment {
  readonly limits: Pick<PeerLimits, 'frameLength'>
  readonly timeouts: Pick<PeerTimeouts, 'readRequest' | 'answer'>
  readonly admission: Admission
  readonly linger: LingerQueue
  /** Aborts when the host stops. */
  readonly signal: AbortSignal
  /** Told of failures that the other side is not told: never with contents or keys. */
  readonly onFailure?: (protocol: string, peer: RemotePeer, error: unknown) => void
}

/** How long an exchange may take, and what gives it up. */
export interface ExchangeOptions {
  /** Milliseconds from the request to its answer. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
  /** True for answers after which Go nodes never close: the stream is reset as soon as the answer is there. */
  readonly resetAfterwards?: boolean
}

/**
 * Sends an encoded message on a new stream and reads the answer. Our half is closed with the request, so that a peer that closes
 * its own leaves nothing open; what a peer leaves open is reset, at once or after a while.
 * @throws FrameError when no answer comes; DecodeError when it is none
 */
export async function exchange(
  stream: Stream,
  request: Uint8Array,
  environment: Pick<StreamEnvironment, 'limits' | 'linger'>,
  { timeout, signal, resetAfterwards = false }: ExchangeOptions,
): Promise<AcnMessage> {
  const { limits, linger } = environment
  try {
    const answer = readFrame(stream, { maxLength: limits.frameLength, timeout, signal })
    // When sending fails that is thrown, not what reading says to it.
    answer.catch(() => {})
    stream.send(encodeFrame(request))
    stream.close().catch(() => {})
    const body = await answer
    if (resetAfterwards) stream.abort(new Error('answered'))
    else linger.add(stream)
    return decodeAcnMessage(body)
  } catch (error) {
    stream.abort(error as Error)
    throw error
  }
}

/**
 * What a served protocol does with a request: the answer, or an AcnStatusError to be sent as one. `bytes` are the
 * request's as they came.
 */
export type Answer = (
  request: AcnMessage,
  from: RemotePeer,
  signal: AbortSignal,
  bytes: Uint8Array,
) => Promise<AcnMessage>

/**
 * Serves one stream: reads a request, answers it, frees the stream. The other side is told of what it did wrong in
 * statuses; those who come too fast, say too much or nothing at all are reset.
 */
export async function serveExchange(
  protocol: string,
  stream: Stream,
  connection: Connection,
  environment: StreamEnvironment,
  answer: Answer,
): Promise<void> {
  const from = remotePeerOf(connection)
  let leave: () => void = () => {}
  try {
    leave = environment.admission.enter(from.peerId)
    const { limits, timeouts, signal } = environment
    const body = await readFrame(stream, { maxLength: limits.frameLength, timeout: timeouts.readRequest, signal })
    const reply = await answerRequest(body, from, environment, answer)
    if (stream.status !== 'open') throw new FrameError('CLOSED', 'stream closed before the answer')
    stream.send(encodeFrame(reply))
    environment.linger.add(stream)
  } catch (error) {
    stream.abort(error as Error)
    environment.onFailure?.(protocol, from, error)
  } finally {
    leave()
  }
}

async function answerRequest(
  body: Uint8Array,
  from: RemotePeer,
  { signal, timeouts, onFailure }: StreamEnvironment,
  answer: Answer,
): Promise<Uint8Array> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(new Error('answer took too long')), timeouts.answer)
  const onStop = () => deadline.abort(signal.reason)
  signal.addEventListener('abort', onStop, { once: true })
  try {
    const reply = await answer(decodeAcnMessage(body), from, deadline.signal, body)
    return isPlainSuccess(reply) ? SUCCESS_BYTES : encodeAcnMessage(reply)
  } catch (error) {
    const status = toStatusError(error)
    if (status !== error) onFailure?.('answer', from, error)
    return encodeAcnMessage(status.toMessage())
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onStop)
  }
}

function isPlainSuccess(reply: AcnMessage): boolean {
  return reply.type === 'status' && reply.body?.code === STATUS.SUCCESS && reply.body.msgs.length === 0
}

/** Faults of our own are not described to others. */
function toStatusError(error: unknown): AcnStatusError {
  if (error instanceof AcnStatusError) return error
  if (error instanceof DecodeError) return new AcnStatusError(STATUS.ERROR_DECODE, 'message cannot be decoded')
  return new AcnStatusError(STATUS.ERROR_GENERIC, 'internal error')
}

/** The error for a message that the protocol of a stream has no use for. */
export function unexpectedPayload(): AcnStatusError {
  return new AcnStatusError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected payload')
}
