import type { IncomingMessage, ServerResponse } from 'node:http'

/** What is answered to a request. */
export interface Answer {
  readonly status: number
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the connection ends with it. */
  readonly closes?: boolean
}

/** A refusal in the mailbox's own words. */
export function refused(text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 400, body: text, headers }
}

/** A request whose body is longer than is taken. */
export const TOO_LONG: Answer = { status: 413, body: 'Body is too long', closes: true }

/**
 * The body of a request.
 * @returns undefined when it is longer than the limit; it is not read further then
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return undefined
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

/** Writes an answer, with the content types that the Go node's answers have. */
export function writeAnswer(response: ServerResponse, { status, body = '', headers = {}, closes }: Answer): void {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream'
  response.writeHead(status, {
    ...(bytes.length > 0 && { 'Content-Type': type }),
    'Content-Length': String(bytes.length),
    ...(closes && { Connection: 'close' }),
    ...headers,
  })
  response.end(bytes)
}
