import { request } from 'node:https'
import type { TestContext } from 'node:test'
import { createSessionCertificate } from '@parley/acn/delegate'
import { MailboxServer, type MailboxServerOptions } from '@parley/acn/mailbox'
import { type AgentRecord, encodeAgentRecord } from '@parley/acn/protocol'
import { peerKey } from '../entrance/agents.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

const certificate = createSessionCertificate(peerKey)

/** A mailbox with an in-memory node behind it, closed at the end of the test. */
export async function mailboxNode(t: TestContext, options: Partial<MailboxServerOptions> = {}) {
  const node = new MemoryNode()
  const errors: unknown[] = []
  const server = await MailboxServer.listen({
    host: '127.0.0.1',
    port: 0,
    peerKey,
    certificate,
    handler: node,
    onError: (error) => errors.push(error),
    ...options,
  })
  t.after(() => server.close())
  return { node, server, errors, certificate }
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: import('node:http').IncomingHttpHeaders
  readonly body: Buffer
}

/** One request on a connection of its own, as the Python client makes them. */
export function ask(
  port: number,
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: Uint8Array | string } = {},
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false })
  outgoing.on('error', reject)
  outgoing.on('response', (response) => {
    const chunks: Uint8Array[] = []
    response.on('data', (chunk) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
    })
  })
  outgoing.end(body)
  return promise
}

/** Registers as the Python client does; gives the session. */
export async function session(port: number, record: AgentRecord): Promise<string> {
  const { status, body } = await ask(port, 'POST', '/register', { body: encodeAgentRecord(record) })
  if (status !== 200) throw new Error(`registration: ${status} ${body.toString()}`)
  return body.toString()
}

/** An agent's requests in one session. */
export function inSession(port: number, token: string) {
  const headers = { 'Session-Id': token }
  return {
    get: () => ask(port, 'GET', '/get_envelope', { headers }),
    send: (body: Uint8Array) => ask(port, 'POST', '/send_envelope', { headers, body }),
    unregister: () => ask(port, 'GET', '/unregister', { headers }),
  }
}
