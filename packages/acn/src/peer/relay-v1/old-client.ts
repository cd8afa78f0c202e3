import { DHT_PROTOCOL } from '../dht/client.ts'
import { CIRCUIT_PROTOCOL } from './message.ts'
import { STOP_V2_PROTOCOL } from './stop-v2.ts'

/** True for relay clients of the older generation, by the protocols that they speak: they take calls in v1 only. */
export function isOldClient(protocols: readonly string[]): boolean {
  return (
    protocols.includes(CIRCUIT_PROTOCOL) && !protocols.includes(STOP_V2_PROTOCOL) && !protocols.includes(DHT_PROTOCOL)
  )
}
