import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { AcnConnectionError } from '../entrance/connection-error.ts'

/** Both ends of a pipe are on this address. */
export const LOOPBACK = '127.0.0.1'

/** How a port on this machine is dialled. */
export interface DialOptions {
  readonly port: number
  /** How long it is tried, ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** First and longest wait between two tries, ms; it doubles. By default those for an agent that is just starting. */
  readonly waitsMs?: readonly [first: number, longest: number]
}

const STARTING: readonly [number, number] = [20, 500]

/**
 * Connects to a port of this machine, trying again until it listens: an agent starts its node before it listens itself,
 * `spec/acn.md §13b`.
 * @throws AcnConnectionError CONNECT when the time is over; the signal's reason when it aborts
 */
export async function dialLoopback({ port, timeoutMs, signal, waitsMs = STARTING }: DialOptions): Promise<Socket> {
  const end = performance.now() + timeoutMs
  const [first, longest] = waitsMs
  for (let wait = first; ; wait = Math.min(wait * 2, longest)) {
    signal.throwIfAborted()
    try {
      return await dialOnce(port, signal)
    } catch (cause) {
      signal.throwIfAborted()
      if (performance.now() + wait > end) {
        throw new AcnConnectionError('CONNECT', `nobody listens on port ${port}`, { cause })
      }
    }
    await delay(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

function dialOnce(port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect({ host: LOOPBACK, port, noDelay: true })
  const abort = () => socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  socket.once('error', reject)
  socket.once('connect', () => {
    socket.off('error', reject)
    // The system may choose the port that is dialled as the local one: then the socket is connected to itself.
    if (socket.localPort === socket.remotePort) socket.destroy()
    if (socket.destroyed) reject(new AcnConnectionError('CONNECT', 'connected to itself'))
    else resolve(socket)
  })
  return promise.finally(() => signal.removeEventListener('abort', abort))
}
