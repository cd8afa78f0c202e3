import type { MessageStream, MessageStreamReadStatus } from '@libp2p/interface'

/** The status is there on all of libp2p's streams, but in the types only of some. */
function readStatusOf(stream: MessageStream): MessageStreamReadStatus | undefined {
  return (stream as { readStatus?: MessageStreamReadStatus }).readStatus
}

/** Lets the other side wait. Nothing when reading has ended, where libp2p throws. */
export function pauseReading(stream: MessageStream): void {
  if (readStatusOf(stream) === 'readable') stream.pause()
}

/** Reads on; what was held back comes even when the stream was closed meanwhile. */
export function resumeReading(stream: MessageStream): void {
  if (readStatusOf(stream) === 'paused') stream.resume()
}
