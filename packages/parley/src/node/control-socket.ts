import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { lstat, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { json } from 'node:stream/consumers'

/** Longest path that a local socket can have everywhere, less what the system needs. */
const MAX_PATH = 100
const TIMEOUT = 10_000
const MAX_CONNECTIONS = 16

/** What can be asked of a running node, by name; each gives what can be written as JSON. */
export type ControlHandlers = Readonly<Record<string, (query: URLSearchParams) => Promise<unknown>>>

/** Where a running node is asked: a socket in its data folder, or, when that path is too long, in the system's. */
export function controlSocketPath(dataFolder: string): string {
  const folder = resolve(dataFolder)
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\parley-${name}`
  const path = join(folder, 'control.sock')
  return Buffer.byteLength(path) <= MAX_PATH ? path : join(tmpdir(), `parley-${userInfo().uid}-${name}.sock`)
}

/**
 * Answers those who look at a running node from this machine, `GET /<name>?<query>` over a local socket of its owner's,
 * and does what they ask for: `POST`.
 */
export class ControlSocket {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /**
   * Listens; a socket that a killed process left is taken over. Only one node may use the data folder: its stores see to
   * that, so this is called once they are open.
   * @param actions what changes something
   * @throws the system's error when it cannot listen
   */
  static async listen(
    dataFolder: string,
    handlers: ControlHandlers,
    actions: ControlHandlers = {},
  ): Promise<ControlSocket> {
    const path = controlSocketPath(dataFolder)
    if (process.platform !== 'win32') await rm(path, { force: true })
    const server = createServer({ requestTimeout: TIMEOUT, headersTimeout: TIMEOUT }, (asked, answer) => {
      const [name = '', query] = (asked.url ?? '').slice(1).split('?', 2)
      const named = asked.method === 'GET' ? handlers : asked.method === 'POST' ? actions : {}
      const handler = Object.hasOwn(named, name) ? named[name] : undefined
      if (!handler) return void answer.writeHead(404).end()
      handler(new URLSearchParams(query)).then(
        (value) => answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value ?? null)),
        () => answer.writeHead(500).end(),
      )
    })
    server.maxConnections = MAX_CONNECTIONS
    // The socket is made with the process's mask: nobody else may connect, also where the folder is open to others.
    const mask = process.umask(0o177)
    try {
      server.listen(path)
    } finally {
      process.umask(mask)
    }
    await once(server, 'listening')
    return new ControlSocket(server)
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What goes with a question, or an order, to a running node. */
export interface ControlCall {
  readonly query?: Readonly<Record<string, string>>
  /** ms; 10 s by default. */
  readonly timeout?: number
}

/**
 * Asks the running node of a data folder.
 * @returns its answer; undefined when no node runs there
 * @throws the system's errors, and Error when the node cannot answer
 */
export function askNode(dataFolder: string, name: string, call: ControlCall = {}): Promise<unknown> {
  return callNode('GET', dataFolder, name, call)
}

/**
 * Has the running node of a data folder do something.
 * @returns and throws as {@link askNode}
 */
export function tellNode(dataFolder: string, name: string, call: ControlCall = {}): Promise<unknown> {
  return callNode('POST', dataFolder, name, call)
}

async function callNode(
  method: 'GET' | 'POST',
  dataFolder: string,
  name: string,
  { query = {}, timeout = TIMEOUT }: ControlCall,
): Promise<unknown> {
  const socketPath = controlSocketPath(dataFolder)
  if (!(await isOwn(socketPath))) return undefined
  const path = `/${name}?${new URLSearchParams(query)}`
  const asking = request({ method, socketPath, path, signal: AbortSignal.timeout(timeout) })
  try {
    const answered = once(asking, 'response')
    asking.end()
    const [answer] = await answered
    if (answer.statusCode !== 200) throw new Error(`the running node cannot say: ${answer.statusCode}`)
    return await json(answer)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    throw error
  }
}

/** Somebody else's socket in the system's folder is none of ours. */
async function isOwn(path: string): Promise<boolean> {
  if (process.platform === 'win32') return true
  try {
    return (await lstat(path)).uid === userInfo().uid
  } catch {
    return false
  }
}
