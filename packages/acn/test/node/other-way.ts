import type { CarriedEnd, CarriedEnvelope, CarrierParts, Carrying, NodeCarrier } from '@parley/acn/node'
import type { AgentRecord, Envelope } from '@parley/acn/protocol'

/** A carrier as whoever uses this package may write one: it brings envelopes to the node of another one, or does not. */
export class OtherWay implements NodeCarrier {
  /** What it was asked to carry, in that order. */
  readonly offered: CarriedEnvelope[] = []
  readonly registered: { readonly address: string; readonly isListed: boolean }[] = []
  readonly moved: string[] = []
  readonly taken: { readonly envelope: Envelope; readonly from: 'agent' | 'peer' }[] = []
  /** How envelopes ended that were carried, by id. */
  readonly ends = new Map<string, Promise<CarriedEnd>>()
  stopped = false
  parts: CarrierParts | undefined
  /** The carrier of the node to which it carries. */
  other: OtherWay | undefined
  answer: (envelope: CarriedEnvelope) => Carrying | Promise<Carrying> = () => ({ type: 'carried' })
  way: (sender: string, to: string) => 'carried' | 'plain' | undefined = () => undefined
  /** Protocol of envelopes that are for the carriers. */
  ownProtocol = 'test/carrier:1.0.0'

  readonly make = async (parts: CarrierParts): Promise<NodeCarrier> => {
    this.parts = parts
    return this
  }

  /** The node that it belongs to. */
  get node(): CarrierParts {
    if (!this.parts) throw new Error('not in use')
    return this.parts
  }

  async carry(envelope: CarriedEnvelope): Promise<Carrying> {
    this.offered.push(envelope)
    const answer = await this.answer(envelope)
    if (answer.type === 'carried' && this.other) {
      const { id, to, sender, bytes } = envelope
      this.ends.set(id, this.other.node.router.carried.receive({ id, to, sender, bytes }))
    }
    return answer
  }

  wayOf(sender: string, to: string): 'carried' | 'plain' | undefined {
    return this.way(sender, to)
  }

  takes(envelope: Envelope, from: 'agent' | 'peer'): boolean {
    if (envelope.protocolId !== this.ownProtocol) return false
    this.taken.push({ envelope, from })
    return true
  }

  onRegistered({ address }: AgentRecord, isListed: boolean): void {
    this.registered.push({ address, isListed })
  }

  onMoved(address: string): void {
    this.moved.push(address)
  }

  onContact(): void {}

  async stop(): Promise<void> {
    this.stopped = true
  }
}
