import assert from 'node:assert/strict'
import { request } from 'node:https'
import { createSessionCertificate } from '@parley/acn/delegate'
import { MailboxServer } from '@parley/acn/mailbox'
import { decodeEnvelope, STATUS } from '@parley/acn/protocol'
import { PeerKey, verifySessionCertificate } from '@parley/acn/record'
import {
  hex,
  isObject,
  type JsonObject,
  number,
  object,
  sameBytes,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

interface HttpAnswer {
  readonly status: number
  readonly body: Uint8Array
  readonly type: string | undefined
}

function exchange(
  port: number,
  asked: {
    readonly method: string
    readonly path: string
    readonly headers: Record<string, string>
    readonly body: Uint8Array
  },
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const { method, path, headers, body } = asked
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false })
  outgoing.on('error', reject)
  outgoing.on('response', async (response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of response) chunks.push(chunk)
    const type = response.headers['content-type']
    resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks), type })
  })
  outgoing.end(body)
  return promise
}

/** Answers whose text is a parser's own, or says who was refused: the status is compared, the text is ours. */
const OWN_WORDS = /^proto:|sender is not registered/

/** One recording after the other at one mailbox, as they were; sessions are ours. */
class Replay {
  readonly #port: number
  readonly #key: PeerKey
  readonly #certificate: Uint8Array
  /** The recorded token of each session and ours. */
  readonly #tokens = new Map<string, string>()
  readonly #agents = new Map<string, string>()
  /** Tokens of sessions whose agent registered again. */
  readonly #superseded = new Set<string>()
  /** What our mailbox took in, for each agent. */
  readonly #waiting: Uint8Array[] = []
  /** Whether something was refused that the recorded mailbox took. */
  #isStricter = false

  constructor(port: number, key: PeerKey, certificate: Uint8Array) {
    this.#port = port
    this.#key = key
    this.#certificate = certificate
  }

  async play(recorded: JsonObject): Promise<void> {
    const headers = object(recorded.requestHeaders)
    const token = typeof headers['Session-Id'] === 'string' ? headers['Session-Id'] : undefined
    const method = text(recorded, 'method')
    const path = text(recorded, 'path')
    const body = hex(recorded, 'requestBodyHex')
    const sent = token === undefined ? {} : { 'Session-Id': this.#tokens.get(token) ?? token }
    const answer = await exchange(this.#port, { method, path, headers: sent, body })
    const call = `${method} ${path}`
    if (
      token !== undefined &&
      this.#superseded.has(token) &&
      ['POST /send_envelope', 'GET /get_envelope'].includes(call)
    ) {
      // A session ends when its agent registers again: stricter than the recording.
      assert.equal(answer.status, 400)
      this.#isStricter = true
      return
    }
    assert.equal(answer.status, number(recorded, 'status'), call)
    const recordedBody = hex(recorded, 'responseBodyHex')
    if (answer.status === 200) this.#checkSuccess(call, body, answer, recordedBody, token)
    else if (!OWN_WORDS.test(Buffer.from(recordedBody).toString())) sameBytes(answer.body, recordedBody)
    const types = object(recorded.responseHeaders)['Content-Type']
    if (answer.body.length > 0 && recordedBody.length > 0) assert.equal(answer.type, types)
  }

  #checkSuccess(call: string, body: Uint8Array, answer: HttpAnswer, recorded: Uint8Array, token?: string): void {
    switch (call) {
      case 'GET /ssl_signature':
        assert.ok(verifySessionCertificate(this.#key.publicKey, this.#certificate, answer.body))
        return
      case 'POST /register': {
        const ours = Buffer.from(answer.body).toString()
        assert.match(ours, /^[0-9a-f]{32}$/)
        const address = Buffer.from(body).toString('latin1')
        const before = this.#agents.get(address)
        if (before !== undefined) this.#superseded.add(before)
        const theirs = Buffer.from(recorded).toString()
        this.#agents.set(address, theirs)
        this.#tokens.set(theirs, ours)
        return
      }
      case 'POST /send_envelope':
        if (decodeEnvelope(body).to === decodeEnvelope(body).sender) this.#waiting.push(body)
        sameBytes(answer.body, recorded)
        return
      case 'GET /get_envelope':
        sameBytes(answer.body, this.#waiting.shift() ?? new Uint8Array())
        if (!this.#isStricter) sameBytes(answer.body, recorded)
        return
      case 'GET /unregister':
        assert.ok(token !== undefined)
        sameBytes(answer.body, recorded)
        return
      default:
        sameBytes(answer.body, recorded)
    }
  }
}

async function replayAll(data: JsonObject): Promise<void> {
  const key = new PeerKey(hex(object(data.tls), 'peerPrivateKey'))
  const certificate = createSessionCertificate(key)
  const node = new MemoryNode()
  const told = new Set<number>([STATUS.ERROR_WRONG_AGENT_ADDRESS])
  const server = await MailboxServer.listen({
    host: '127.0.0.1',
    port: 0,
    peerKey: key,
    certificate,
    handler: node,
    // The recorded client hears of wrong senders: docs/acn.md says why ours does not by itself.
    toldErrors: { direct: new Set(), delegate: new Set(), mailbox: told },
  })
  try {
    const replay = new Replay(server.port, key, certificate.certificate)
    assert.ok(Array.isArray(data.exchanges))
    for (const recorded of data.exchanges) await replay.play(object(recorded))
  } finally {
    await server.close()
  }
}

/** A client's requests, at our mailbox over HTTPS. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-mailbox.json',
    *cases(data): Iterable<VectorCase> {
      if (!isObject(data) || !isObject(data.tls) || !Array.isArray(data.exchanges)) return
      if ('peerPrivateKey' in data.tls) yield { name: 'replayed exchanges', run: () => replayAll(data) }
    },
  },
]
