import { join } from 'node:path'
import { CARD_PROTOCOL } from '../directory/index.ts'
import { Parley, type ParleyOptions } from '../parley.ts'
import { type Character, character } from './cast.ts'
import type { StoryLines } from './lines.ts'
import { Mailbox } from './mailbox.ts'
import { needlesOf } from './needles.ts'
import { StoryNetwork, type StoryPeer, type StoryRouter } from './network.ts'
import { lineName, MARKS, type Observer, PLAIN, type Seen } from './observers.ts'
import { sendPlainly } from './plain-way.ts'
import { routerView, searchFiles } from './router-view.ts'
import { Search, SHORTEST } from './search.ts'
import { chapter, say, tell } from './telling.ts'
import { type Ending, tellWhatRemains, tellWhoSaw } from './who-saw.ts'

const PLAIN_TEXT = 'Dave, this goes the plain way: whoever carries it can read it.'

/** What the taps cannot tell, but must be said with what they tell. */
const WHAT_REMAINS = [
  'Bob is listed: peers know his address and at which peer he is, as that is how he is found. Alice’s node has a',
  'name of its own in the network, which is not her address. Each agent connects to the other’s router itself, since',
  'no other router stands between yet: both routers see both IP addresses. Peers 1 and 3 together could tell who',
  'asked for whom; in a network as small as this, times let one of them guess it, as they let whoever sees it all.',
]

/** Three peers, two routers, two agents who know only each other's ledger addresses, and what happens between them. */
export class Story {
  readonly #folder: string
  readonly #lines: StoryLines
  readonly #alice = character('Alice', 'ethereum')
  readonly #bob = character('Bob', 'fetchai')
  readonly #toAlice = new Mailbox()
  readonly #toBob = new Mailbox()

  constructor(folder: string, lines: StoryLines) {
    this.#folder = folder
    this.#lines = lines
  }

  /** Tells it; false when something was lost, changed, out of order, or seen by somebody who should not. */
  async tell(): Promise<boolean> {
    await using network = new StoryNetwork(this.#folder, this.#search())
    chapter('1. A network of the ACN: three peers. And two SMP routers, which know nothing of it')
    const [routerA, routerB] = [await network.router('router-a'), await network.router('router-b')]
    const first = await network.peer('peer1', [], routerA)
    const plain = await network.peer('peer2', [first])
    const third = await network.peer('peer3', [first, plain], routerB)
    tell(`peer 1    ${first.multiaddr}`)
    tell(`peer 2    ${plain.multiaddr}`)
    tell('          left plain: it knows of private channels no more than a Go node does')
    tell(`peer 3    ${third.multiaddr}`)
    tell(`router A  ${routerA.address}`)
    tell(`router B  ${routerB.address}`)
    tell(
      'Inside each of them, behind its TLS, a tap reads all that passes on its connections; another is on the network.',
    )

    chapter('2. Alice and Bob: each knows nothing of the other but a ledger address')
    await using agents = new AsyncDisposableStack()
    const bob = agents.use(await this.#openBob(third, routerB))
    tell(`Bob    ${this.#bob.identity.ledger.padEnd(9)} ${bob.address}  enters at peer 3, receives at router B`)
    const alice = agents.use(await this.#open(this.#alice, first, routerA, { listed: false, lookup: 'required' }))
    tell(`Alice  ${this.#alice.identity.ledger.padEnd(9)} ${alice.address}  enters at peer 1, receives at router A`)
    tell('Bob lets in nobody but Alice’s address. Alice is not listed: she wants to find, not to be found, so no peer')
    tell('is told her address; only those to whom she writes learn it, with her signature.')
    this.#toAlice.attach(alice, bob.address, (text) => tell(`Alice reads: ${text}`))

    chapter('3. Alice finds Bob by his address')
    await this.#connect(alice, { 'peer 1': first, 'peer 3': third })

    chapter('4. They talk')
    for (const text of this.#lines.fromAlice) await alice.send(bob.address, text)
    await this.#toBob.holds({ texts: this.#lines.fromAlice.length })
    for (const text of this.#lines.fromBob) await bob.send(alice.address, text)
    await this.#toAlice.holds({ texts: this.#lines.fromBob.length, delivered: this.#lines.fromAlice.length })
    await this.#toBob.holds({ delivered: this.#lines.fromBob.length })

    chapter('5. Bob goes away, and Alice goes on writing')
    await bob.close()
    await this.#toBob.ended()
    tell('Bob’s agent has ended: nothing of it runs.')
    await this.#writeToNobody(alice, routerB)

    chapter('6. Bob comes back through peer 2, the plain one')
    agents.use(await this.#openBob(plain, routerB))
    const toBob = this.#lines.fromAlice.length + this.#lines.whileAway.length
    await this.#toBob.holds({ texts: toBob })
    await this.#toAlice.holds({ delivered: toBob })
    tell(`Alice’s agent knows that Bob has ${this.#toAlice.delivered} of her ${toBob} messages.`)

    chapter('7. For comparison, the plain way: Carol at peer 2 writes to Dave at peer 1, as agents do today')
    tell(`Dave reads:  ${await sendPlainly(plain, first, PLAIN_TEXT)}`)

    chapter('8. Who saw what')
    const observers: Observer[] = [
      { name: 'peer 1, Alice’s', place: 'peer', tap: first.tap },
      { name: 'peer 2, Bob’s at last', place: 'peer', tap: plain.tap },
      { name: 'peer 3, Bob’s at first', place: 'peer', tap: third.tap },
      { name: 'router A, Alice’s', place: 'router', tap: routerA.tap },
      { name: 'router B, Bob’s', place: 'router', tap: routerB.tap },
      { name: 'the whole network', place: 'network', tap: network.tap },
    ]
    const seen: Seen = {
      lines: this.#all.length,
      alice: this.#alice,
      bob: this.#bob,
      aliceNode: alice.node.host.peerId,
    }
    const ending: Ending = {
      observers,
      seen,
      carriers: [first, plain].map(({ tap }) => tap),
      notSearched: this.#all.filter((line) => !isTelling(line)).length,
    }
    const isPrivate = tellWhoSaw(ending)
    const isUnreadable = await this.#searchRouters([routerA, routerB])

    chapter('9. What remains visible')
    tellWhatRemains(ending)
    for (const line of WHAT_REMAINS) tell(line)
    return this.#verdict(isPrivate && isUnreadable)
  }

  get #all(): string[] {
    return [...this.#lines.fromAlice, ...this.#lines.fromBob, ...this.#lines.whileAway]
  }

  #search(): Search {
    const lines = this.#all.map((line, i) => ({ name: lineName(i), forms: isTelling(line) ? [Buffer.from(line)] : [] }))
    const plain = { name: PLAIN, forms: [Buffer.from(PLAIN_TEXT)] }
    return new Search([...lines, plain, ...needlesOf(this.#alice), ...needlesOf(this.#bob), ...MARKS])
  }

  #open(
    { name, identity }: Character,
    { multiaddr }: StoryPeer,
    { address }: StoryRouter,
    options: Partial<ParleyOptions>,
  ): Promise<Parley> {
    return Parley.open({ data: join(this.#folder, name), identity, entry: [multiaddr], smp: [address], ...options })
  }

  async #openBob(peer: StoryPeer, router: StoryRouter): Promise<Parley> {
    const addresses = new Set([this.#alice.address])
    const bob = await this.#open(this.#bob, peer, router, { policy: { mode: 'allow-list', addresses } })
    this.#toBob.attach(bob, this.#alice.address, (text) => tell(`Bob reads:   ${text}`))
    return bob
  }

  async #connect(alice: Parley, cardPeers: Readonly<Record<string, StoryPeer>>): Promise<void> {
    const begun = performance.now()
    const peer = await alice.connect(this.#bob.address)
    const took = Math.round(performance.now() - begun)
    const found = await alice.gateway.directory.find(peer.address, { privacy: 'required' })
    const node = alice.node.host.peerId
    const asked = Object.keys(cardPeers).filter((name) => cardPeers[name]?.tap.saw(CARD_PROTOCOL, node))
    const others = Object.keys(cardPeers).filter((name) => !asked.includes(name))
    const other = others.join(' and ') || 'another'
    tell(
      `Found in the ${found?.way} way: ${asked.join(' and ')} passed her sealed question on and could not read it; ${other}`,
    )
    tell(
      'answered it and was not told who asks. (No other peers here speak of cards: one of the two is Bob’s own. In a',
    )
    tell('larger network they are any two.)')
    tell(`His contact card is signed by his ${peer.card} key; it leads to his contact address at router B.`)
    tell(`Her request carried her own card; then each proved to the other to be who the card names. ${took} ms in all.`)
    tell(`Post-quantum key exchange (sntrup761 with X448): ${this.#toAlice.pq ? 'on' : 'OFF'}`)
  }

  async #writeToNobody(alice: Parley, { router, tap }: StoryRouter): Promise<void> {
    for (const text of this.#lines.whileAway) await alice.send(this.#bob.address, text)
    const { channels } = alice.gateway
    const isSent = () => channels.list().every(({ waiting }) => waiting === this.#lines.whileAway.length)
    await tap.until(async () => isSent() && (await router.inspect()).queues.some(({ messages }) => messages.length > 0))
    tell(
      `Alice has written ${this.#lines.whileAway.length} messages. What router B knows now, by its database and connections:`,
    )
    for (const line of routerView(await router.inspect())) tell(`  ${line}`)
  }

  /** Whatever is on the disks of the routers. */
  async #searchRouters(routers: readonly StoryRouter[]): Promise<boolean> {
    const texts = [...this.#all, this.#alice.address, this.#bob.address]
    let isGood = true
    for (const [i, { router, folder }] of routers.entries()) {
      const [queue] = (await router.inspect()).queues
      const { bytes, files, found, findsKnown } = searchFiles(folder, texts, queue?.rcvId ?? new Uint8Array(1))
      tell(
        `Router ${'AB'[i]}’s disk (${files} files, ${bytes.toLocaleString('en')} bytes): ${found.length} of the texts and ` +
          `addresses; ${findsKnown ? 'a queue’s id, which must be there, is.' : 'BUT THE SEARCH DOES NOT WORK.'}`,
      )
      isGood &&= found.length === 0 && findsKnown
    }
    return isGood
  }

  #verdict(isPrivate: boolean): boolean {
    const expected = [...this.#lines.fromAlice, ...this.#lines.whileAway]
    const inOrder = same(this.#toBob.texts, expected) && same(this.#toAlice.texts, this.#lines.fromBob)
    const isStrange = this.#toBob.strange + this.#toAlice.strange > 0
    const pq = this.#toAlice.pq === true
    const isGood = inOrder && !isStrange && pq && isPrivate && this.#toAlice.delivered === expected.length
    const total = this.#all.length
    const told = this.#toBob.texts.length + this.#toAlice.texts.length
    say(
      `\n${isGood ? '✔' : '✗'} ${total} private messages, ${told} arrived${inOrder ? ' once and in order' : ', NOT AS SENT'}` +
        `${isStrange ? ', NOT ALL IN PRIVATE' : ''}; ${isPrivate ? 'nobody on the way could read one' : 'SOMEBODY SAW WHAT IS NOT FOR HIM'}.`,
    )
    return isGood
  }
}

/** Whether a private message that is found somewhere must be that message. */
function isTelling(line: string): boolean {
  return Buffer.byteLength(line) >= SHORTEST && !PLAIN_TEXT.includes(line)
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}
