import assert from 'node:assert/strict'
import {
  type AcnMessage,
  announcedAddress,
  decodeAcnMessage,
  decodeEnvelope,
  ENV,
  encodeAcnMessage,
  encodeEnvelope,
  encodeFrame,
  FrameDecoder,
  formatPeerAddress,
  parseEnvFile,
  parsePeerAddress,
  readNodeSettings,
} from '@parley/acn/protocol'
import { PeerKey, sessionPoint, verifyRepresentation, verifySessionCertificate } from '@parley/acn/record'
import {
  expectKeys,
  failing,
  fromHex,
  hex,
  isObject,
  type JsonObject,
  number,
  object,
  sameBytes,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { checkRecordStore } from './acn-records-store.ts'

const DELEGATE = 'delegate-tcp-tls'
const PIPE = 'agent-pipe-tcp'

interface Node {
  readonly key: PeerKey
  readonly certificate: Uint8Array
}

function nodeOf(data: JsonObject): Node {
  const node = object(data.node)
  return { key: new PeerKey(hex(node, 'privateKeyHex')), certificate: hex(node, 'delegateCertDerHex') }
}

function checkNode(node: JsonObject): void {
  expectKeys(node, 'name', 'privateKeyHex', 'publicKeyHex', 'multiaddr', 'delegateCertDerHex')
  const key = new PeerKey(hex(node, 'privateKeyHex'))
  assert.equal(key.publicKeyHex, text(node, 'publicKeyHex'))
  const multiaddr = text(node, 'multiaddr')
  const address = parsePeerAddress(multiaddr)
  assert.equal(address.peerId, key.peerId)
  assert.equal(formatPeerAddress(address), multiaddr)
  assert.equal(announcedAddress(address, key.peerId), multiaddr)
  assert.equal(sessionPoint(hex(node, 'delegateCertDerHex')).length, 65)
}

/** What a connection wrote for its node: no quotes, escapes or comments, so that it can be read in another way. */
function checkEnvFile(agentAddress: string, content: string): void {
  const values = parseEnvFile(content)
  const plain = content
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const)
  assert.deepEqual([...values], plain)
  const known: readonly string[] = Object.values(ENV)
  assert.deepEqual(
    [...values.keys()].filter((name) => !known.includes(name)),
    [],
    'variables that nothing reads',
  )

  const settings = readNodeSettings(Object.fromEntries(values))
  assert.equal(settings.pipe?.agentAddress, agentAddress)
  assert.equal(String(settings.pipe?.port), values.get(ENV.toNode))
  assert.equal(settings.publicUri === undefined, values.get(ENV.publicUri) === '')
  assert.equal(settings.entryPeers.map(formatPeerAddress).join(','), values.get(ENV.entryPeers))
  for (const [name, setting] of [
    [ENV.listen, settings.listen],
    [ENV.publicUri, settings.publicUri],
    [ENV.delegate, settings.delegate],
    [ENV.monitoring, settings.monitoring],
    [ENV.mailbox, settings.mailbox],
  ] as const) {
    // A relay client has no services, whatever the file says.
    const offered = name === ENV.listen || settings.publicUri !== undefined
    assert.equal(setting && `${setting.host}:${setting.port}`, (offered && values.get(name)) || undefined, name)
  }
  const { record } = settings
  assert.ok(record)
  const { publicKeyHex } = new PeerKey(settings.peerKey)
  verifyRepresentation(record, { expectedAddress: agentAddress, representativePublicKey: publicKeyHex })
}

function* envFileCases(section: unknown, name: string): Iterable<VectorCase> {
  for (const [address, content] of Object.entries(object(section))) {
    yield {
      name: `${name} ${address}`,
      run() {
        assert.ok(typeof content === 'string')
        checkEnvFile(address, content)
      },
    }
  }
}

/** Decodes a frame of the session and encodes it again, with the envelope in it. */
function checkFrame(frame: Uint8Array, node: Node): AcnMessage {
  const decoder = new FrameDecoder()
  decoder.push(frame)
  const body = decoder.next()
  assert.ok(body)
  assert.equal(decoder.buffered, 0)
  const message = decodeAcnMessage(body)
  sameBytes(encodeFrame(encodeAcnMessage(message)), frame)
  if (message.type === 'aeaEnvelope') {
    const envelope = decodeEnvelope(message.envelope)
    assert.ok(envelope.to !== '' && envelope.sender !== '')
    sameBytes(encodeEnvelope(envelope), message.envelope)
  }
  if (message.type === 'register') {
    assert.ok(message.record)
    const { address } = message.record
    verifyRepresentation(message.record, {
      expectedAddress: address,
      representativePublicKey: node.key.publicKeyHex,
    })
  }
  return message
}

/** Both directions as streams, in pieces of odd sizes, give the frames again. */
function checkStream(frames: readonly Uint8Array[]): void {
  const stream = Buffer.concat(frames)
  for (const size of [1, 7, stream.length]) {
    const decoder = new FrameDecoder()
    const bodies: Uint8Array[] = []
    for (let offset = 0; offset < stream.length; offset += size) {
      decoder.push(stream.subarray(offset, offset + size))
      for (let body = decoder.next(); body; body = decoder.next()) bodies.push(body)
    }
    sameBytes(Buffer.concat(bodies.map(encodeFrame)), stream)
    assert.equal(bodies.length, frames.length)
  }
}

function* sessionCases(session: JsonObject, name: string, node: Node): Iterable<VectorCase> {
  const frames = session.frames
  if (!Array.isArray(frames)) return yield failing(name, 'no frames')
  yield {
    name,
    run() {
      expectKeys(session, 'transport', 'frames', 'kind')
      const kind = text(session, 'kind')
      assert.ok(kind === DELEGATE || kind === PIPE, `sessions of kind ${kind} are not known`)
      assert.equal(text(session, 'transport'), kind === DELEGATE ? 'tls' : 'plain')
      for (const dir of ['node->agent', 'agent->node']) {
        checkStream(frames.map(object).flatMap((frame) => (text(frame, 'dir') === dir ? [hex(frame, 'hex')] : [])))
      }
    },
  }
  for (const [index, entry] of frames.entries()) {
    yield {
      name: `${name} frame ${index}`,
      run() {
        const frame = object(entry)
        expectKeys(frame, 'dir', 'hex', 't')
        assert.ok(['node->agent', 'agent->node'].includes(text(frame, 'dir')))
        number(frame, 't')
        const bytes = hex(frame, 'hex')
        if (text(session, 'kind') === DELEGATE && index === 0) {
          assert.ok(verifySessionCertificate(node.key.publicKey, node.certificate, bytes.subarray(4)))
          sameBytes(encodeFrame(bytes.subarray(4)), bytes)
          return
        }
        const message = checkFrame(bytes, node)
        if (text(session, 'kind') === DELEGATE && index === 1) assert.equal(message.type, 'register')
      },
    }
  }
}

function* storeCases(section: unknown, name: string, node: Node): Iterable<VectorCase> {
  if (!Array.isArray(section)) return yield failing(name, 'not a list')
  for (const [index, entry] of section.entries()) {
    yield {
      name: `${name}[${index}]`,
      run() {
        assert.ok(Array.isArray(entry) && entry.length === 2)
        const [file, content] = entry
        assert.equal(file, `agent_records_store_${node.key.peerId}`)
        assert.ok(checkRecordStore(fromHex(String(content))).length > 0)
      },
    }
  }
}

/** Addresses of the agents that take part: each is in an envelope of a session. */
function* agentCases(section: unknown, name: string, sessions: string): Iterable<VectorCase> {
  for (const [agent, address] of Object.entries(object(section))) {
    yield {
      name: `${name} ${agent}`,
      run: () => assert.ok(sessions.includes(Buffer.from(String(address)).toString('hex'))),
    }
  }
}

/** Sessions of real agents: frames, certificate and its signature, env files and record store. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-sessions.json',
    *cases(data) {
      if (!isObject(data) || !isObject(data.node)) return yield failing('file', 'no node')
      const node = nodeOf(data)
      yield* sectionCases(data, {
        *node(section, name) {
          yield { name, run: () => checkNode(object(section)) }
        },
        agents: (section, name) => agentCases(section, name, JSON.stringify(data.sessions)),
        envFiles: envFileCases,
        *sessions(section, name) {
          if (!Array.isArray(section)) return yield failing(name, 'not a list')
          for (const [index, session] of section.entries()) {
            yield* sessionCases(object(session), `${name}[${index}]`, node)
          }
        },
        recordsStore: (section, name) => storeCases(section, name, node),
      })
    },
  },
]
