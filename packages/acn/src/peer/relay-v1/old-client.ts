import { NOTIFY_PROTOCOL } from '../streams/notify.ts'
import { CIRCUIT_PROTOCOL } from './message.ts'
import { STOP_V2_PROTOCOL } from './stop-v2.ts'

/**
 * True for peers of the network, by the protocols that are known of them, as opposed to relay clients. That they speak
 * the DHT says nothing: libp2p also puts down what a client has asked us in.
 */
export function isPeer(protocols: readonly string[]): boolean {
  return protocols.includes(NOTIFY_PROTOCOL)
}

/** True for relay clients of the older generation: they take calls in v1 only. */
export function isOldClient(protocols: readonly string[]): boolean {
  return protocols.includes(CIRCUIT_PROTOCOL) && !protocols.includes(STOP_V2_PROTOCOL) && !isPeer(protocols)
}
