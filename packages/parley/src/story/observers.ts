import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL } from '@parley/acn/peer'
import { CARD_PROTOCOL } from '../directory/index.ts'
import { FORMS, formName, type Recognisable } from './needles.ts'
import type { Needle } from './search.ts'
import type { Tap } from './tap.ts'

/** Name of the message that goes the plain way. */
export const PLAIN = 'the plain message'

const HOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'

const OUTSIDE = 'outside of encryption'
const INSIDE_PEER = 'inside a peer'
const INSIDE_ROUTER = 'inside a router'

/** What peers do with each other, by the names that libp2p gives it. */
export const ACTIONS: Readonly<Record<string, string>> = {
  '/ipfs/kad/1.0.0': 'the DHT',
  [HOP_PROTOCOL]: 'a place at the relay',
  [REGISTER_PROTOCOL]: 'a registration',
  [ADDRESS_PROTOCOL]: 'a look-up in the clear',
  [CARD_PROTOCOL]: 'a sealed question',
  [ENVELOPE_PROTOCOL]: 'a plain envelope',
}

/** What is seen by everybody, or only by those inside of an encryption: they show that a tap is where it should be. */
export const MARKS: readonly Needle[] = [
  { name: OUTSIDE, forms: [Buffer.from('/tls/1.0.0')] },
  { name: INSIDE_PEER, forms: [Buffer.from('/ipfs/id/1.0.0')] },
  // How the X25519 keys of queues begin.
  // With the end of the line with which a stream is opened: names alone stand in every list of what a peer speaks.
  ...Object.keys(ACTIONS).map((name) => ({ name, forms: [Buffer.from(`${name}\n`)] })),
  { name: INSIDE_ROUTER, forms: [Buffer.from('302a300506032b656e032100', 'hex')] },
]

/** Where an observer sits. */
export type Place = 'peer' | 'router' | 'network'

const SEES: Readonly<Record<Place, readonly string[]>> = {
  peer: [INSIDE_PEER],
  router: [INSIDE_ROUTER],
  network: [OUTSIDE],
}
const DOES_NOT_SEE: Readonly<Record<Place, readonly string[]>> = {
  peer: [],
  router: [INSIDE_PEER],
  network: [INSIDE_PEER, INSIDE_ROUTER],
}

/** Somebody who sees something of the story. */
export interface Observer {
  readonly name: string
  readonly place: Place
  readonly tap: Tap
}

/** What there was to see. */
export interface Seen {
  /** Number of private messages that are looked for; each has its number as its name. */
  readonly lines: number
  readonly alice: Recognisable
  readonly bob: Recognisable
  /** Peer id of Alice's node. */
  readonly aliceNode: string
}

/** What an observer has seen, as its tap has found it. */
export interface Sight {
  readonly name: string
  /** Private messages of which it could read something. */
  readonly readable: number
  readonly plain: boolean
  /** Forms in which it saw the addresses. */
  readonly alice: readonly string[]
  readonly bob: readonly string[]
  /** Whether it saw both addresses, or Bob's on a connection with Alice's node. */
  readonly together: boolean
  readonly bytes: number
  /** Whether the tap is where it should be. */
  readonly isTapped: boolean
}

/** Name under which a private message is looked for. */
export function lineName(index: number): string {
  return `private message ${index}`
}

/** What somebody has seen. */
export function sightOf({ name, place, tap }: Observer, { lines, alice, bob, aliceNode }: Seen): Sight {
  const formsOf = (agent: Recognisable, partner?: string) =>
    FORMS.filter((form) => tap.saw(formName(agent, form), partner))
  const [ofAlice, ofBob] = [formsOf(alice), formsOf(bob)]
  return {
    name,
    readable: Array.from({ length: lines }, (_, i) => lineName(i)).filter((line) => tap.saw(line)).length,
    plain: tap.saw(PLAIN),
    alice: ofAlice,
    bob: ofBob,
    together: (ofAlice.length > 0 && ofBob.length > 0) || formsOf(bob, aliceNode).length > 0,
    bytes: tap.bytes,
    isTapped: SEES[place].every((mark) => tap.saw(mark)) && !DOES_NOT_SEE[place].some((mark) => tap.saw(mark)),
  }
}

const HEAD = ['', 'private text', 'plain text', 'Alice’s address', 'Bob’s address', 'Alice with Bob', 'bytes seen']

/** The table of who saw what, as lines. */
export function sightTable(sights: readonly Sight[], lines: number): string[] {
  const rows = sights.map((sight) => [
    sight.name,
    `${sight.readable} of ${lines}`,
    sight.plain ? 'READ' : 'no',
    formsText(sight.alice),
    formsText(sight.bob),
    sight.together ? 'SEEN' : 'no',
    sight.bytes.toLocaleString('en'),
  ])
  const table = [HEAD, ...rows]
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  '),
  )
}

function formsText(forms: readonly string[]): string {
  if (forms.includes('text')) return 'yes'
  return forms.length === 0 ? 'no' : `as ${forms.join(', ')}`
}
