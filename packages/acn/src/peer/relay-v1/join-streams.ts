import type { Stream } from '@libp2p/interface'
import { pauseReading, resumeReading } from '../streams/reading.ts'

/**
 * Passes all that comes on either stream on to the other, until both have ended. Who does not take it makes the other
 * wait; the end of one direction is passed on as that, a reset as a reset.
 * @param idle milliseconds without anything after which both are reset, as those that never close would stay for ever
 * @param signal resets both
 */
export async function joinStreams(first: Stream, second: Stream, idle: number, signal: AbortSignal): Promise<void> {
  const abort = (error: Error) => {
    first.abort(error)
    second.abort(error)
  }
  const onAbort = () => abort(signal.reason)
  const timer = setTimeout(() => abort(new Error('circuit idle')), idle).unref()
  for (const stream of [first, second]) stream.addEventListener('message', () => timer.refresh())
  const ended = [endOf(first), endOf(second)]
  passOn(first, second)
  passOn(second, first)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  await Promise.all(ended)
  clearTimeout(timer)
  signal.removeEventListener('abort', onAbort)
}

function passOn(from: Stream, to: Stream): void {
  const fail = (error: Error) => {
    from.abort(error)
    to.abort(error)
  }
  const isBroken = () => from.status === 'reset' || from.status === 'aborted'
  const onEnd = () => {
    // A reset ends a stream too; it is passed on as what it is.
    if (!isBroken() && to.status === 'open') to.close().catch(fail)
  }
  from.addEventListener('message', ({ data }) => {
    try {
      if (!to.send(data)) pauseReading(from)
    } catch (error) {
      fail(error as Error)
    }
  })
  to.addEventListener('drain', () => resumeReading(from))
  // Emitted once all that was received has been handed on.
  from.addEventListener('end', onEnd)
  from.addEventListener('close', ({ error }) => {
    if (error) to.abort(error)
  })
  if (isBroken()) to.abort(new Error('other half of the circuit is gone'))
  else if (from.readableEnded) onEnd()
}

function endOf(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.addEventListener('close', () => resolve(), { once: true })
    if (stream.status !== 'open' && stream.status !== 'closing') resolve()
  })
}
