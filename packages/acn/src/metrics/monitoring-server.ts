import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { HostPort } from '../protocol/index.ts'

/** What the monitoring endpoints show. */
export interface MonitoringSources {
  /** The text of all metrics. */
  metrics(): Promise<string>
  /** Whether the node can do its work now. */
  isReady(): boolean
}

const MAX_CONNECTIONS = 64
const TIMEOUT = 10_000

/**
 * HTTP for those who watch a node: `/metrics` (Prometheus), `/livez` (the process answers), `/readyz` (200 when the node
 * can do its work, else 503).
 */
export class MonitoringServer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** @throws the system's error when it cannot listen */
  static async start({ host, port }: HostPort, sources: MonitoringSources): Promise<MonitoringServer> {
    const server = createServer({ requestTimeout: TIMEOUT, headersTimeout: TIMEOUT }, (request, response) => {
      answer(request, response, sources).catch(() => response.destroy())
    })
    server.maxConnections = MAX_CONNECTIONS
    server.listen(port, host)
    await once(server, 'listening')
    return new MonitoringServer(server)
  }

  /** Port that is listened on. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    if (this.#server.listening) await once(this.#server, 'close')
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, sources: MonitoringSources): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'invalid method')
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      return end(response, 200, await sources.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    case '/livez':
      return end(response, 200, 'alive')
    case '/readyz':
      return sources.isReady() ? end(response, 200, 'ready') : end(response, 503, 'not ready')
    default:
      return end(response, 404, 'not found')
  }
}

function end(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(text)
}
