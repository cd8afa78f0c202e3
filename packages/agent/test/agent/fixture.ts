import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, type AgentConfig, type AgentEvent, type AgentEventName, type AgentEventOf } from '@parley/agent'
import { SmpRouter, type SmpRouterOptions } from '@parley/smp/router'

/** Retries that do not make a test wait. */
export const FAST: Partial<AgentConfig> = {
  fastRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  slowRetry: { initial: 60_000, increaseAfter: 1000, max: 60_000 },
  reconnectRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  persistErrorInterval: 20,
  kemPoolSize: 2,
}

/** A folder that is removed with everything that runs on it. */
export class World implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'parley-agent-'))
  readonly #parts = new Set<{ close(): Promise<void> }>()

  async router(options: Partial<SmpRouterOptions> = {}): Promise<TestRouter> {
    const router = new TestRouter({ dataDir: join(this.dir, 'router'), host: '127.0.0.1', port: 0, ...options })
    await router.start()
    this.#parts.add(router)
    return router
  }

  async agent(name: string, servers: string | readonly string[], options: TestAgentOptions = {}): Promise<TestAgent> {
    const agent = new TestAgent(
      join(this.dir, `${name}.db`),
      typeof servers === 'string' ? [servers] : servers,
      options,
    )
    await agent.open()
    this.#parts.add(agent)
    return agent
  }

  /** Two agents at a router, connected by an invitation of `a`. */
  async pair(
    options?: ConnectOptions,
  ): Promise<Connected & { readonly router: TestRouter; readonly a: TestAgent; readonly b: TestAgent }> {
    const router = await this.router()
    const [a, b] = [await this.agent('a', router.address), await this.agent('b', router.address)]
    return { router, a, b, ...(await connect(a, b, options)) }
  }

  /** Closes `part` at the end too. */
  add(part: { close(): Promise<void> }): void {
    this.#parts.add(part)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const parts = [...this.#parts].reverse()
    for (const part of parts) await part.close()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A router that can be stopped and started again on its port. */
export class TestRouter {
  readonly #options: SmpRouterOptions
  #router: SmpRouter | undefined
  #port: number

  constructor(options: SmpRouterOptions) {
    this.#options = options
    this.#port = options.port ?? 0
  }

  get address(): string {
    if (!this.#router) throw new Error('router is not running')
    return this.#router.address
  }

  get running(): SmpRouter {
    if (!this.#router) throw new Error('router is not running')
    return this.#router
  }

  async start(): Promise<void> {
    this.#router = await SmpRouter.start({ ...this.#options, port: this.#port })
    this.#port = this.#router.port
  }

  async stop(): Promise<void> {
    await this.#router?.close()
    this.#router = undefined
  }

  close(): Promise<void> {
    return this.stop()
  }
}

export interface TestAgentOptions {
  readonly config?: Partial<AgentConfig>
  readonly passphrase?: string
}

interface Expectation {
  readonly matches: (event: AgentEvent) => boolean
  readonly resolve: (event: AgentEvent) => void
}

/** An agent whose events are kept until a test asks for them; it can be closed and opened again. */
export class TestAgent {
  readonly path: string
  readonly servers: readonly string[]
  readonly #options: TestAgentOptions
  /** Events that nobody has asked for yet. */
  readonly seen: AgentEvent[] = []
  #expectations: Expectation[] = []
  #agent: Agent | undefined
  #reading: Promise<void> = Promise.resolve()

  constructor(path: string, servers: readonly string[], options: TestAgentOptions) {
    this.path = path
    this.servers = servers
    this.#options = options
  }

  get api(): Agent {
    if (!this.#agent) throw new Error('agent is not open')
    return this.#agent
  }

  async open(): Promise<void> {
    const { config, passphrase } = this.#options
    this.#agent = await Agent.open({
      store: this.path,
      passphrase,
      servers: this.servers,
      config: { ...FAST, ...config },
    })
    this.#reading = this.#read(this.#agent)
  }

  async close(): Promise<void> {
    await this.#agent?.close()
    await this.#reading
    this.#agent = undefined
  }

  /** Closes, opens again and subscribes. */
  async restart(): Promise<void> {
    await this.close()
    await this.open()
    await this.api.subscribeConnections()
  }

  /** The next event with this name, and fields, that was not asked for yet. Fails after `timeout` milliseconds. */
  async expect<N extends AgentEventName>(
    name: N,
    fields: Partial<AgentEventOf<N>> = {},
    timeout = 10_000,
  ): Promise<AgentEventOf<N>> {
    const matches = (event: AgentEvent) =>
      event.event === name &&
      Object.entries(fields).every(([field, value]) => (event as unknown as Record<string, unknown>)[field] === value)
    const index = this.seen.findIndex(matches)
    if (index >= 0) return this.seen.splice(index, 1)[0] as AgentEventOf<N>
    const { promise, resolve, reject } = Promise.withResolvers<AgentEvent>()
    const expectation = { matches, resolve }
    const timer = setTimeout(() => {
      const names = this.seen.map((event) => ('error' in event ? `${event.event} ${event.error}` : event.event))
      reject(new Error(`no ${name} ${JSON.stringify(fields)}; seen: ${names.join(', ')}`))
    }, timeout)
    this.#expectations.push(expectation)
    try {
      return (await promise) as AgentEventOf<N>
    } finally {
      clearTimeout(timer)
      this.#expectations = this.#expectations.filter((other) => other !== expectation)
    }
  }

  /** True when an event with this name was seen and not asked for. */
  has(name: AgentEventName): boolean {
    return this.seen.some(({ event }) => event === name)
  }

  async #read(agent: Agent): Promise<void> {
    for await (const event of agent.events()) {
      const expectation = this.#expectations.find(({ matches }) => matches(event))
      if (!expectation) {
        this.seen.push(event)
        continue
      }
      this.#expectations = this.#expectations.filter((other) => other !== expectation)
      expectation.resolve(event)
    }
  }
}

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
export const bytes = (value: string): Uint8Array => Buffer.from(value, 'utf8')

/** Both ends of a connection. */
export interface Connected {
  /** The initiator's. */
  readonly connA: string
  /** The joiner's. */
  readonly connB: string
  /** PQ of the CON events. */
  readonly pqA: boolean
  readonly pqB: boolean
}

/** Which side takes part in post-quantum encryption, and which link is used. */
export interface ConnectOptions {
  readonly pqA?: boolean
  readonly pqB?: boolean
  readonly short?: boolean
}

/** Connects by an invitation of `a`. */
export async function connect(
  a: TestAgent,
  b: TestAgent,
  { pqA = true, pqB = true, short = false }: ConnectOptions = {},
): Promise<Connected> {
  const { connId: connA, link, shortLink } = await a.api.createConnection({ mode: 'invitation', pq: pqA })
  const { connId: connB } = await b.api.joinConnection({
    link: short ? (shortLink ?? '') : link,
    info: bytes("B's info"),
    pq: pqB,
  })
  const conf = await a.expect('CONF', { connId: connA })
  await a.api.allowConnection(connA, conf.confId, bytes("A's info"))
  await b.expect('INFO', { connId: connB })
  const [conA, conB] = await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
  return { connA, connB, pqA: conA.pq, pqB: conB.pq }
}

/** Sends a text, waits until it has arrived and acknowledges it, with a receipt, which is acknowledged too, when asked for. */
export async function deliver(
  from: { agent: TestAgent; connId: string },
  to: { agent: TestAgent; connId: string },
  body: string,
  receipt = false,
): Promise<{ sentId: number; event: AgentEventOf<'MSG'> }> {
  const { msgId: sentId } = await from.agent.api.sendMessage(from.connId, bytes(body))
  const event = await to.agent.expect('MSG', { connId: to.connId })
  await to.agent.api.ackMessage(to.connId, event.msgId, { receipt })
  await from.agent.expect('SENT', { connId: from.connId, msgId: sentId })
  if (receipt) {
    const rcvd = await from.agent.expect('RCVD', { connId: from.connId })
    await from.agent.api.ackMessage(from.connId, rcvd.msgId)
  }
  return { sentId, event }
}
