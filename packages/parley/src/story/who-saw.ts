import { type Observer, type Seen, type Sight, sightOf, sightTable } from './observers.ts'
import type { Tap } from './tap.ts'
import { tell } from './telling.ts'

/** What the story ends with. */
export interface Ending {
  readonly observers: readonly Observer[]
  readonly seen: Seen
  /** Taps of those who carried the plain message. */
  readonly carriers: readonly Tap[]
  /** Private messages that are too short to be told apart from chance. */
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
  if (notSearched > 0) tell(`(${notSearched} messages are too short to be told apart from chance: not searched.)`)
  return all.every(({ place, tap, sight }) => {
    const wrong = faultsOf(sight, { isPeer: place === 'peer', isCarrier: carriers.includes(tap) })
    for (const fault of wrong) tell(`✗ ${sight.name}: ${fault}`)
    return wrong.length === 0
  })
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
