import type { CarrierParts } from '@parley/acn/node'
import { Gateway, type GatewayOptions } from './gateway.ts'

/** Makes the gateway of a node while that starts: `carrier` goes into the node's options. */
export class GatewayMaker {
  /** There when the node runs. */
  gateway: Gateway | undefined
  readonly carrier: (parts: CarrierParts) => Promise<Gateway>

  /** @param options asked for once the node has its own store, so that nobody else has the node's databases then */
  constructor(options: () => Promise<GatewayOptions>) {
    this.carrier = async (parts) => {
      this.gateway = await Gateway.open(await options(), parts)
      return this.gateway
    }
  }
}
