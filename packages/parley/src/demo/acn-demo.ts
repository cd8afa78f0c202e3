// `npm run demo:acn`: a network of the ACN on this machine, and what happens when a peer of it is lost.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DelegateEntry, MailboxEntry, PipeEntry } from '@parley/acn/client'
import { DemoAgent } from './demo-agent.ts'
import { pairTable } from './pair-table.ts'
import { PeerProcess } from './peer-process.ts'

/** Everything takes some ten seconds; when it takes this long something hangs, ms. */
const LIMIT = 120_000
/** Texts of each pair while agents move. */
const MEANWHILE = 5

function say(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Three peers, a relay client, six agents. */
class AcnDemo {
  readonly #peers: readonly [PeerProcess, PeerProcess, PeerProcess]
  readonly #relayClient: PeerProcess
  readonly #agents: readonly DemoAgent[]
  readonly #pipes: PipeEntry[] = []

  constructor(folder: string) {
    const first = new PeerProcess({ name: 'peer1', folder, entryPeers: [] })
    const second = new PeerProcess({ name: 'peer2', folder, entryPeers: [first] })
    const third = new PeerProcess({ name: 'peer3', folder, entryPeers: [first, second] })
    this.#peers = [first, second, third]
    this.#relayClient = new PeerProcess({ name: 'relayed', folder, entryPeers: [third, first], isRelayClient: true })
    this.#agents = [
      new DemoAgent('Ada', 'direct, peer1', 'fetchai'),
      new DemoAgent('Ben', 'delegate, peer2', 'cosmos'),
      new DemoAgent('Cleo', 'mailbox, peer2', 'ethereum'),
      new DemoAgent('Dora', 'delegate, peer3', 'ethereum'),
      new DemoAgent('Emil', 'direct, peer3', 'cosmos'),
      new DemoAgent('Finn', 'direct, relay client', 'fetchai'),
    ]
  }

  /** Shows it; false when something was lost, doubled or out of order. */
  async show(): Promise<boolean> {
    say('1. Three peers, a relay client, six agents: each peer is a process of its own\n')
    await this.#start()
    for (const { name, kind, ledgerId, address } of this.#agents) {
      say(`   ${name.padEnd(6)}${kind.padEnd(22)}${ledgerId.padEnd(10)}${address}`)
    }

    say('\n2. All 30 ordered pairs, milliseconds from handing over to arrival\n')
    // The first envelope of a pair looks its receiver up.
    await this.#allPairs('first')
    this.#print(await this.#allPairs('second'))

    const [, lost] = this.#peers
    const [, ben, cleo] = this.#agents as readonly [DemoAgent, DemoAgent, DemoAgent]
    say(
      `\n3. ${lost.name} is killed; Ben and Cleo, who were there, look for another peer, while everybody goes on writing\n`,
    )
    const killedAt = performance.now()
    const moving = [ben, cleo].map(async (agent) => {
      const entry = await agent.moves()
      say(`   ${agent.name} is at ${this.#peerOf(entry)} after ${Math.round(performance.now() - killedAt)} ms`)
    })
    await lost.kill()
    const sending = this.#writeMeanwhile()
    await Promise.all([...moving, sending])
    say(`   ${30 * MEANWHILE} envelopes were written meanwhile.`)

    say('\n4. All 30 pairs again\n')
    await this.#allPairs('third')
    this.#print(await this.#allPairs('fourth'))
    return this.#verdict()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close()))
    await Promise.all(this.#pipes.map((pipe) => pipe.close()))
    await this.#relayClient.stop()
    await Promise.all(this.#peers.map((peer) => peer.stop()))
  }

  async #start(): Promise<void> {
    const [first, second, third] = this.#peers
    const [ada, ben, cleo, dora, emil, finn] = this.#agents as readonly DemoAgent[] & { length: 6 }
    if (!ada || !ben || !cleo || !dora || !emil || !finn) throw new Error('six agents are needed')
    await this.#startWithAgent(first, ada)
    await second.start()
    await this.#startWithAgent(third, emil)
    await this.#startWithAgent(this.#relayClient, finn)
    await ben.connect([delegateAt(second, ben), delegateAt(first, ben)])
    await cleo.connect([mailboxAt(second, cleo), mailboxAt(third, cleo)])
    await dora.connect([delegateAt(third, dora)])
  }

  async #startWithAgent(peer: PeerProcess, agent: DemoAgent): Promise<void> {
    const pipe = await PipeEntry.listen()
    this.#pipes.push(pipe)
    const record = await agent.identity.recordFor(peer.key.publicKeyHex)
    await Promise.all([peer.start({ record, port: pipe.port }), agent.connect([pipe])])
  }

  /** One envelope along each pair, one after the other. @returns how long each took, ms */
  async #allPairs(word: string): Promise<(number | undefined)[][]> {
    const cells: (number | undefined)[][] = []
    for (const from of this.#agents) {
      const row: (number | undefined)[] = []
      for (const to of this.#agents) row.push(from === to ? undefined : await this.#time(from, to, word))
      cells.push(row)
    }
    return cells
  }

  async #time(from: DemoAgent, to: DemoAgent, word: string): Promise<number> {
    const begun = performance.now()
    const arrival = to.receives(from, word)
    await from.send(to, word)
    return (await arrival).at - begun
  }

  async #writeMeanwhile(): Promise<void> {
    const pairs = this.#agents.flatMap((from) => this.#agents.filter((to) => to !== from).map((to) => ({ from, to })))
    await Promise.all(
      pairs.map(async ({ from, to }) => {
        for (let number = 1; number <= MEANWHILE; number++) await from.send(to, `meanwhile ${number}`)
        await to.receives(from, `meanwhile ${MEANWHILE}`)
      }),
    )
  }

  /** Whether everybody has from everybody all that was written, once and in order. */
  #verdict(): boolean {
    const meanwhile = Array.from({ length: MEANWHILE }, (_, i) => `meanwhile ${i + 1}`)
    const expected = ['first', 'second', ...meanwhile, 'third', 'fourth'].join()
    let good = 0
    for (const from of this.#agents) {
      for (const to of this.#agents) {
        if (from === to) continue
        const texts = to.arrived.filter((one) => one.from === from.address).map(({ text }) => text)
        if (texts.join() === expected) good++
        else say(`   ${from.name} → ${to.name}: ${texts.join(', ')}`)
      }
    }
    const total = 30 * (4 + MEANWHILE)
    const isGood = good === 30
    say(
      `\n${isGood ? '✔' : '✗'} ${total} envelopes, a peer lost: ${good} of 30 pairs have all of theirs, once and in order.`,
    )
    return isGood
  }

  #print(cells: (number | undefined)[][]): void {
    const names = this.#agents.map(({ name }) => name)
    for (const line of pairTable(names, cells)) say(`   ${line}`)
  }

  #peerOf(entry: string): string {
    const peer = this.#peers.find(({ delegatePort, mailboxPort }) =>
      [delegatePort, mailboxPort].some((port) => entry.endsWith(`:${port}`)),
    )
    return peer?.name ?? entry
  }
}

function delegateAt({ delegatePort: port, key }: PeerProcess, { identity }: DemoAgent): DelegateEntry {
  return new DelegateEntry({ host: '127.0.0.1', port, peerPublicKey: key.publicKeyHex, identity })
}

function mailboxAt({ mailboxPort: port, key }: PeerProcess, { identity }: DemoAgent): MailboxEntry {
  return new MailboxEntry({ host: '127.0.0.1', port, peerPublicKey: key.publicKeyHex, identity })
}

const folder = await mkdtemp(join(tmpdir(), 'parley-acn-demo-'))
const demo = new AcnDemo(folder)
const interrupted = Promise.withResolvers<never>()
const onSignal = () => interrupted.reject(new Error('interrupted'))
process.once('SIGINT', onSignal)
process.once('SIGTERM', onSignal)
const limit = setTimeout(() => interrupted.reject(new Error('this takes too long: something hangs')), LIMIT)
try {
  process.exitCode = (await Promise.race([demo.show(), interrupted.promise])) ? 0 : 1
} catch (error) {
  say(`\n✗ ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  clearTimeout(limit)
  await demo.stop()
  await rm(folder, { recursive: true, force: true })
}
