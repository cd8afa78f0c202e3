import { equal } from 'node:assert/strict'
import { type Conversation, exchange, type Party } from '../conversation.ts'
import type { JsonObject } from '../json-lines.ts'
import type { Peer } from '../peers.ts'
import { persistently } from '../persistently.ts'
import { inParallel } from '../report.ts'
import type { Product, RouterProcess } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages each way on each connection. */
const FEW = 3

/** Groups at the same time: they wait most of the time. */
const PARALLEL = 2

/** Products of the router, of who initiates and of who joins. */
const COMBINATIONS: readonly (readonly [Product, Product, Product])[] = [
  ['parley', 'original', 'parley'],
  ['parley', 'parley', 'original'],
  ['original', 'original', 'parley'],
  ['original', 'parley', 'original'],
  ['parley', 'parley', 'parley'],
]

/** What is killed and started again. */
const VICTIMS = ['initiator', 'joiner', 'router', 'everything'] as const
type Victim = (typeof VICTIMS)[number]

/** After which step of the handshake. */
const STEPS = ['created', 'joined', 'confirmation received', 'allowed', 'information received'] as const
type Step = (typeof STEPS)[number]

/** Handshakes of an original agent and ours, in which each part is killed once after every step. */
export async function interruptedSuite(setting: Setting): Promise<void> {
  await inParallel(PARALLEL, COMBINATIONS, async ([router, initiator, joiner]) => {
    const prefix = `interrupted handshake: ${initiator} initiates, ${joiner} joins, ${router} router`
    await setting.report.group(prefix, () => interrupt(setting, prefix, router, initiator, joiner))
  })
}

async function interrupt(
  setting: Setting,
  prefix: string,
  routerProduct: Product,
  initiatorProduct: Product,
  joinerProduct: Product,
): Promise<void> {
  const name = `interrupted-${routerProduct}-${initiatorProduct}-${joinerProduct}`
  const router = await startRouter(setting, routerProduct, `${name}-router`)
  const initiator = await startPeer(setting, initiatorProduct, `${name}-initiator`, [router.address])
  const joiner = await startPeer(setting, joinerProduct, `${name}-joiner`, [router.address])
  const parties = { router, initiator, joiner }
  for (const mode of ['invitation', 'contact'] as const) {
    for (const victim of VICTIMS) {
      for (const step of STEPS) {
        const killed = receiverAt(step, mode, { initiator: initiatorProduct, joiner: joinerProduct })
        if (killed?.product === 'original' && (victim === killed.party || victim === 'everything')) continue
        await setting.report.check(`${prefix}: ${mode}, ${victim} killed when ${step}`, async () => {
          const handshake = new Handshake(parties, victim, step)
          const conversation = await (mode === 'invitation' ? handshake.invitation() : handshake.contact())
          await exchange(conversation, FEW, `${mode} ${victim} ${step}`)
        })
      }
    }
  }
  await initiator.stop()
  await joiner.stop()
  await router.stop()
}

/**
 * Whose event ends a step. The original tells of a message before it has stored what comes of it: killed just then, it
 * misses CON or counts the message as lost, with its own kind as well.
 */
function receiverAt(step: Step, mode: 'invitation' | 'contact', products: Record<'initiator' | 'joiner', Product>) {
  if (step !== 'confirmation received' && step !== 'information received') return undefined
  const isInitiator = (step === 'confirmation received') === (mode === 'invitation')
  const party = isInitiator ? 'initiator' : 'joiner'
  return { party, product: products[party] }
}

interface Parties {
  readonly router: RouterProcess
  readonly initiator: Peer
  readonly joiner: Peer
}

/** One handshake with one interruption. */
class Handshake {
  readonly #parties: Parties
  readonly #victim: Victim
  readonly #step: Step

  constructor(parties: Parties, victim: Victim, step: Step) {
    this.#parties = parties
    this.#victim = victim
    this.#step = step
  }

  async invitation(): Promise<Conversation> {
    const { initiator, joiner } = this.#parties
    const { connId, shortLink = '' } = await persistently(() =>
      initiator.createConnection({ mode: 'invitation', pq: true }),
    )
    await this.#reached('created')
    const joined = await persistently((last) =>
      joiner.joinConnection({ link: shortLink, info: 'joiner', pq: true, ...last }),
    )
    await this.#reached('joined')
    return this.#confirm({ peer: initiator, connId }, { peer: joiner, connId: joined })
  }

  async contact(): Promise<Conversation> {
    const { initiator, joiner } = this.#parties
    const { connId, shortLink = '' } = await persistently(() =>
      initiator.createConnection({ mode: 'contact', pq: true }),
    )
    await this.#reached('created')
    const requested = await persistently((last) =>
      joiner.joinConnection({ link: shortLink, info: 'requester', pq: true, ...last }),
    )
    const request = await initiator.event('REQ', { connId })
    const accepted = await persistently(() =>
      initiator.acceptContact({ invId: String(request.invId), info: 'joiner', pq: true }),
    )
    await this.#reached('joined')
    return this.#confirm({ peer: joiner, connId: requested }, { peer: initiator, connId: accepted })
  }

  /** From the joiner's confirmation on; for a contact address its owner is the joiner. */
  async #confirm(initiator: Party, joiner: Party): Promise<Conversation> {
    const confirmation = await eventOf(initiator, 'CONF')
    equal(confirmation.info, 'joiner')
    await this.#reached('confirmation received')
    const confId = String(confirmation.confId)
    await initiator.peer.allowConnection({ connId: initiator.connId, confId, info: 'initiator' })
    await this.#reached('allowed')
    equal((await eventOf(joiner, 'INFO')).info, 'initiator')
    await this.#reached('information received')
    for (const party of [initiator, joiner]) equal((await eventOf(party, 'CON')).pq, true)
    return { initiator, joiner, pq: true }
  }

  async #reached(step: Step): Promise<void> {
    if (step !== this.#step) return
    const { router, initiator, joiner } = this.#parties
    const killed = (victim: Victim) => this.#victim === victim || this.#victim === 'everything'
    const peers = [initiator, joiner].filter((_, index) => killed(index === 0 ? 'initiator' : 'joiner'))
    await Promise.all(peers.map((peer) => peer.kill()))
    if (killed('router')) {
      await router.stop()
      await router.start()
    }
    await Promise.all(
      peers.map(async (peer) => {
        await peer.start()
        await peer.subscribeAll()
      }),
    )
  }
}

function eventOf({ peer, connId }: Party, name: string): Promise<JsonObject> {
  return peer.event(name, { connId })
}
