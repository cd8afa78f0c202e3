import { connectPeers } from '../conversation.ts'
import { FlowEnd } from '../flow-end.ts'
import type { Peer } from '../peers.ts'
import type { Product, RouterProcess } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages each way while things are killed, and how often something is killed. */
const MESSAGES = 300
const KILLS = 12

/** Messages and receipts flow both ways between an original agent and ours while our agent and the router are killed. */
export async function killedSuite(setting: Setting): Promise<void> {
  for (const router of ['parley', 'original'] as const) {
    const prefix = `killed while messages flow between original and parley agents, ${router} router`
    await setting.report.group(prefix, () => run(setting, prefix, router))
  }
}

async function run(setting: Setting, prefix: string, routerProduct: Product): Promise<void> {
  const { report } = setting
  const name = `killed-${routerProduct}`
  const router = await startRouter(setting, routerProduct, `${name}-router`)
  const original = await startPeer(setting, 'original', `${name}-original`, [router.address])
  const parley = await startPeer(setting, 'parley', `${name}-parley`, [router.address])
  await report.check(`${prefix}: ${MESSAGES} each way, ${KILLS} kills`, async () => {
    const { initiator, joiner } = await connectPeers(original, parley, { mode: 'invitation', link: 'short', pq: true })
    const done = new AbortController()
    const chaos = new Chaos(parley, router)
    const a = new FlowEnd(initiator, MESSAGES, () => chaos.progress())
    const b = new FlowEnd(joiner, MESSAGES, () => chaos.progress())
    try {
      await Promise.all([
        a.send(),
        b.send(),
        a.receive(b, done.signal),
        b.receive(a, done.signal),
        a.takeReceipts(b, done.signal),
        b.takeReceipts(a, done.signal),
        chaos.finished,
      ])
    } finally {
      done.abort()
    }
    a.check(b)
    b.check(a)
    report.note(
      `${prefix}: ${a.received} and ${b.received} messages, ${a.receipts} and ${b.receipts} receipts, ${KILLS} kills, ` +
        `${a.repeated + b.repeated} messages came again before they were acknowledged`,
    )
  })
  await original.stop()
  await parley.stop()
  await router.stop()
}

/** Kills our agent, the router, or both, each time a share of the messages has arrived. */
class Chaos {
  readonly #parley: Peer
  readonly #router: RouterProcess
  readonly #finished = Promise.withResolvers<void>()
  #messages = 0
  #kills = 0
  #last: Promise<void> = Promise.resolve()

  constructor(parley: Peer, router: RouterProcess) {
    this.#parley = parley
    this.#router = router
  }

  get finished(): Promise<void> {
    return this.#finished.promise
  }

  progress(): void {
    this.#messages++
    if (this.#kills === KILLS || this.#messages < ((this.#kills + 1) * 2 * MESSAGES) / (KILLS + 1)) return
    const kill = this.#kills++
    this.#last = this.#last.then(() => this.#kill(kill))
    if (this.#kills === KILLS) this.#last.then(this.#finished.resolve, this.#finished.reject)
  }

  async #kill(number: number): Promise<void> {
    const agent = number % 3 !== 1
    const router = number % 3 !== 0
    if (agent) await this.#parley.kill()
    if (router) await this.#router.stop()
    if (router) await this.#router.start()
    if (!agent) return
    await this.#parley.start()
    await this.#parley.subscribeAll()
  }
}
