import { BLOCK_SIZE } from '@parley/core/transport'
import { ACTIONS, type Observer, type Seen, type Sight, sightOf, sightTable } from './observers.ts'
import type { Tap } from './tap.ts'
import { tell } from './telling.ts'

/** What the story ends with. */
export interface Ending {
  readonly observers: readonly Observer[]
  readonly seen: Seen
  /** Taps of those who carried the plain message. */
  readonly carriers: readonly Tap[]
  /** Private messages that were not looked for, as finding them would say nothing. */
  readonly notSearched: number
}

/** Tells who saw what; false when somebody saw what is not for them, or a tap did not work. */
export function tellWhoSaw({ observers, seen, carriers, notSearched }: Ending): boolean {
  const all = observers.map((observer) => ({ ...observer, sight: sightOf(observer, seen) }))
  for (const line of sightTable(
    all.map(({ sight }) => sight),
    seen.lines,
  )) {
    tell(line)
  }
  if (notSearched > 0)
    tell(
      `(Not searched, as they would be found by chance: ${notSearched} messages, too short or part of the plain one.)`,
    )
  const faults = all.flatMap(({ place, tap, sight }) =>
    faultsOf(sight, { isPeer: place === 'peer', isCarrier: carriers.includes(tap) }).map(
      (fault) => `${sight.name}: ${fault}`,
    ),
  )
  for (const fault of faults) tell(`✗ ${fault}`)
  return faults.length === 0
}

/** Tells what each could see all the same. */
export function tellWhatRemains({ observers, seen: { aliceNode } }: Ending): void {
  for (const { name, place, tap } of observers) tell(`${name}: ${REMAINS[place](tap, aliceNode)}`)
}

const REMAINS: Readonly<Record<Observer['place'], (tap: Tap, aliceNode: string) => string>> = {
  peer(tap, aliceNode) {
    const actions = Object.entries(ACTIONS).filter(([protocol]) => tap.saw(protocol, aliceNode))
    const bytes = tap.bytesWith(aliceNode)
    if (bytes === 0) return 'no connection with Alice’s node'
    const what = actions.map(([, action]) => action).join(', ')
    return `the IP address of Alice’s node; ${number(bytes)} bytes with it${what === '' ? '' : `: ${what}`}`
  },
  router: (tap) =>
    `${number(tap.pieces)} blocks of ${number(BLOCK_SIZE)} bytes, their times, ${tap.connections} connections with their IP addresses`,
  network: (tap) => `${tap.connections} connections: who with whom by IP address, when, how many bytes`,
}

function number(value: number): string {
  return value.toLocaleString('en')
}

function faultsOf(sight: Sight, { isPeer, isCarrier }: { isPeer: boolean; isCarrier: boolean }): string[] {
  const faults: string[] = []
  if (!sight.isTapped) faults.push('its tap is not where it should be')
  if (sight.readable > 0) faults.push('read private messages')
  if (sight.plain !== isCarrier) faults.push(isCarrier ? 'should have seen the plain message' : 'saw the plain message')
  if (sight.alice.length > 0) faults.push('saw Alice’s address')
  if (sight.together) faults.push('saw that Alice asks for Bob')
  if (!isPeer && sight.bob.length > 0) faults.push('saw Bob’s address')
  return faults
}
