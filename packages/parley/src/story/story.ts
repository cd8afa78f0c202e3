import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, type MsgReceipt } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import { AgentProcess } from './agent-process.ts'
import type { StoryLines } from './lines.ts'
import { Mailbox } from './mailbox.ts'
import { routerView, searchFiles } from './router-view.ts'

function say(text = ''): void {
  process.stdout.write(`${text}\n`)
}

function chapter(title: string): void {
  say(`\n${title}`)
}

function tell(text: string): void {
  say(`  ${text}`)
}

/** A router, Alice in this process, Bob in one that can be killed, and what happens between them. */
export class Story {
  readonly #folder: string
  readonly #lines: StoryLines
  readonly #alice = new Mailbox()
  readonly #bob = new Mailbox()
  /** Ids of Alice's messages, in order. */
  readonly #sent: number[] = []

  constructor(folder: string, lines: StoryLines) {
    this.#folder = folder
    this.#lines = lines
  }

  /** Tells it; false when something was lost, changed, out of order or readable for the router. */
  async tell(): Promise<boolean> {
    chapter('1. A router starts on loopback')
    const routerFolder = join(this.#folder, 'router')
    await using router = await SmpRouter.start({ dataDir: routerFolder, host: '127.0.0.1', port: 0 })
    tell(router.address)
    tell('Its address holds the fingerprint of its certificate: whoever has the address cannot be misled.')

    chapter('2. Two agents, each with a database of its own')
    const aliceFolder = join(this.#folder, 'alice')
    mkdirSync(aliceFolder)
    await using alice = await Agent.open({ store: join(aliceFolder, 'agent.db'), servers: [router.address] })
    await using bobs = new AsyncDisposableStack()
    let bob = bobs.use(this.#startBob(router.address))
    tell(`Alice lives in this process, Bob in process ${bob.pid}.`)

    chapter('3. Alice invites, Bob joins')
    const { aliceConn, bobConn } = await this.#connect(alice, bob)

    chapter('4. They talk')
    for (const text of this.#lines.fromAlice) await this.#aliceSends(alice, aliceConn, text)
    await this.#bob.holds({ texts: this.#lines.fromAlice.length })
    for (const text of this.#lines.fromBob) await bob.request('sendMessage', { connId: bobConn, text })
    await this.#alice.holds({ texts: this.#lines.fromBob.length, receipts: this.#lines.fromAlice.length })
    await this.#bob.holds({ receipts: this.#lines.fromBob.length })

    chapter('5. Bob is killed, and Alice goes on writing')
    await bob.kill()
    tell('Bob’s process was ended with SIGKILL.')
    for (const text of this.#lines.whileAway) await this.#aliceSends(alice, aliceConn, text)
    await this.#alice.holds({ stored: this.#sent.length })
    tell(`The router has stored ${this.#lines.whileAway.length} messages: Alice’s agent shows them as sent (✓).`)

    chapter('6. What the router knows now, read from its database and its connections')
    const inspection = await router.inspect()
    for (const line of routerView(inspection)) tell(line)
    tell('(Receipts wait there too: nobody but the two agents can tell them from messages.)')
    const everything = [...this.#lines.fromAlice, ...this.#lines.fromBob, ...this.#lines.whileAway]
    const [queue] = inspection.queues
    const search = searchFiles(routerFolder, everything, queue?.rcvId ?? new Uint8Array(1))
    tell(`Searched ${search.bytes} bytes in ${search.files} files for each of the ${everything.length} lines:`)
    tell(search.found.length === 0 ? 'not one of them is there.' : `FOUND: ${search.found.join(' | ')}`)
    if (search.tooShort > 0) tell(`(${search.tooShort} lines are too short to be told apart from chance.)`)
    tell(`The same search ${search.findsKnown ? 'finds' : 'DOES NOT FIND'} a queue’s id, which the router must know.`)

    chapter('7. Bob starts again')
    bob = bobs.use(this.#startBob(router.address))
    tell(`Bob lives in process ${bob.pid} now.`)
    await bob.request('subscribeConnections')
    const expected = [...this.#lines.fromAlice, ...this.#lines.whileAway]
    await this.#bob.holds({ texts: expected.length })
    await this.#alice.holds({ receipts: this.#sent.length })
    const received = await this.#countReceived(alice, aliceConn)
    tell(`Alice’s agent shows ${received} of ${this.#sent.length} messages as received (✓✓).`)

    chapter('8. What was negotiated')
    const { agentVersion, e2eVersion, pqSending, pqReceiving } = await alice.getConnectionServers(aliceConn)
    const smp = (await router.inspect()).connections.map(({ version }) => version)
    tell(`SMP version ${[...new Set(smp)].join(', ')}, agent version ${agentVersion}, end-to-end version ${e2eVersion}`)
    const pq = pqSending && pqReceiving
    tell(`post-quantum key exchange (sntrup761 with X448): ${pq ? 'on, both ways' : 'OFF'}`)

    await bob.stop()
    return this.#verdict({ expected, received, pq, search })
  }

  #startBob(server: string): AgentProcess {
    const process = new AgentProcess(join(this.#folder, 'bob'), server, (line) => {
      const { event, connId, msgId } = line
      if (event === 'MSG') {
        this.#bob.receive(line.text as string)
        tell(`Bob reads:   ${line.text}`)
        process.acknowledge({ connId, msgId, receipt: true })
      }
      if (event === 'CON') this.#bobConnected.resolve()
      if (event === 'RCVD') {
        for (const receipt of line.receipts as MsgReceipt[]) this.#bob.confirm(receipt.msgId)
        process.acknowledge({ connId, msgId })
      }
    })
    return process
  }

  readonly #bobConnected = Promise.withResolvers<void>()

  async #connect(alice: Agent, bob: AgentProcess): Promise<{ aliceConn: string; bobConn: string }> {
    const encoder = new TextEncoder()
    const connected = Promise.withResolvers<void>()
    alice.on('CONF', async ({ connId, confId, info }) => {
      tell(`Alice is told that “${new TextDecoder().decode(info)}” used it, and allows the connection.`)
      await alice.allowConnection(connId, confId, encoder.encode('Alice'))
    })
    alice.on('CON', () => connected.resolve())
    alice.on('MSG', async ({ connId, msgId, body }) => {
      const text = new TextDecoder().decode(body)
      this.#alice.receive(text)
      tell(`Alice reads: ${text}`)
      await alice.ackMessage(connId, msgId, { receipt: true })
    })
    alice.on('SENT', ({ msgId }) => this.#alice.store(msgId))
    alice.on('RCVD', async ({ connId, msgId, receipts }) => {
      for (const receipt of receipts) if (receipt.status === 'ok') this.#alice.confirm(receipt.msgId)
      await alice.ackMessage(connId, msgId)
    })
    const { connId, link, shortLink = link } = await alice.createConnection({ mode: 'invitation' })
    tell('Alice makes an invitation, to be given to Bob by any other way:')
    tell(shortLink)
    const joined = await bob.request('joinConnection', { link: shortLink, info: 'Bob' })
    await Promise.all([connected.promise, this.#bobConnected.promise])
    tell('Both are connected.')
    return { aliceConn: connId, bobConn: joined.connId as string }
  }

  async #aliceSends(alice: Agent, connId: string, text: string): Promise<void> {
    const { msgId } = await alice.sendMessage(connId, new TextEncoder().encode(text))
    this.#sent.push(msgId)
  }

  async #countReceived(alice: Agent, connId: string): Promise<number> {
    const states = await Promise.all(this.#sent.map((msgId) => alice.messageStatus(connId, msgId)))
    return states.filter(({ state }) => state === 'received').length
  }

  #verdict(end: {
    readonly expected: readonly string[]
    readonly received: number
    readonly pq: boolean
    readonly search: ReturnType<typeof searchFiles>
  }): boolean {
    const { expected, received, pq, search } = end
    const inOrder = same(this.#bob.texts, expected) && same(this.#alice.texts, this.#lines.fromBob)
    const good = inOrder && received === expected.length && pq && search.found.length === 0 && search.findsKnown
    const total = expected.length + this.#lines.fromBob.length
    const told = this.#bob.texts.length + this.#alice.texts.length
    say(
      `\n${good ? '✔' : '✗'} ${total} messages sent, ${told} arrived${inOrder ? ' once and in order' : ', NOT AS SENT'}, ` +
        `${received} of ${expected.length} receipts came back, ${search.found.length} lines readable for the router.`,
    )
    return good
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i])
}
