import type { Stream } from '@libp2p/interface'
import type { LingerQueue } from './linger.ts'

/** By this stream a peer that joins tells its entry peers that it is there. */
export const NOTIFY_PROTOCOL = '/aea-notif/0.1.0'

const TEXT = Buffer.from(NOTIFY_PROTOCOL, 'latin1')

/** Notifies: the protocol's own name without a frame, as Go nodes send it; there is no answer. */
export function sendNotification(stream: Stream, linger: LingerQueue): void {
  stream.send(TEXT)
  linger.add(stream)
}

/** Takes a notification: that the stream was opened says it all. Its content is not looked at. */
export function takeNotification(stream: Stream, linger: LingerQueue): void {
  stream.addEventListener('message', () => {})
  linger.add(stream)
}
