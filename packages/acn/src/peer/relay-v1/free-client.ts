import { NOTIFY_PROTOCOL } from '../streams/notify.ts'
import { CIRCUIT_PROTOCOL } from './message.ts'

/**
 * True for peers of the network, by the protocols that are known of them, as opposed to relay clients. That they speak
 * the DHT says nothing: libp2p also puts down what a client has asked us in.
 */
export function isPeer(protocols: readonly string[]): boolean {
  return protocols.includes(NOTIFY_PROTOCOL)
}

/**
 * True for relay clients that speak v1, of the older generation and ours: they reserve no place, and take calls through
 * whomever they are connected to.
 */
export function isFreeClient(protocols: readonly string[]): boolean {
  return protocols.includes(CIRCUIT_PROTOCOL) && !isPeer(protocols)
}
