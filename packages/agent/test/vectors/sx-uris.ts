import assert from 'node:assert/strict'
import {
  type ConnectionRequest,
  connectionRequestCodec,
  formatConnectionRequest,
  formatE2eParamsUri,
  formatQueueUri,
  formatShortLink,
  parseConnectionLink,
  parseConnectionRequest,
  parseE2eParamsUri,
  parseQueueUri,
  parseShortLink,
  type SmpQueueUri,
  shortLinkCodec,
  smpQueueInfoCodec,
  smpQueueUriCodec,
} from '@parley/agent/links'
import { e2eParamsCodec, e2eParamsUriCodec } from '@parley/agent/ratchet'
import { PrivateKey, PublicKey, SNTRUP761_PUBLIC_KEY_LENGTH } from '@parley/core/crypto'
import { decode, encode } from '@parley/core/encoding'
import { formatServerAddress, parseServerAddress, smpServerCodec } from '@parley/smp/protocol'
import {
  each,
  expectKeys,
  fromHex,
  hex,
  type JsonObject,
  object,
  one,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

/** What the binary form of a queue says of its mode: nothing, in ranges that reach below version 3. */
function withoutMode({ mode: _, ...queue }: SmpQueueUri): Omit<SmpQueueUri, 'mode'> {
  return queue
}

/** The binary form of requests takes queues of unknown mode for contact queues. */
function asReadFromBinary(request: ConnectionRequest): ConnectionRequest {
  const [first, ...others] = request.queues
  const patch = (queue: SmpQueueUri): SmpQueueUri => ({ mode: 'contact', ...queue })
  return { ...request, queues: [patch(first), ...others.map(patch)] }
}

function checkConnectionRequest(entry: JsonObject): void {
  expectKeys(entry, 'roundtrip', 'smp', 'uri', 'what')
  const request = parseConnectionRequest(text(entry, 'uri'))
  assert.equal(formatConnectionRequest(request), text(entry, 'roundtrip'))
  assert.deepEqual(parseConnectionLink(text(entry, 'uri')), { type: 'full', request })
  sameBytes(encode(connectionRequestCodec, request), hex(entry, 'smp'))
  const read = decode(connectionRequestCodec, hex(entry, 'smp'))
  assert.ok(read.queues.every(({ mode }) => mode !== undefined))
  sameBytes(encode(connectionRequestCodec, read), encode(connectionRequestCodec, asReadFromBinary(request)))
}

function checkE2eParams(entry: JsonObject): void {
  expectKeys(entry, 'smp', 'str', 'what')
  const bytes = hex(entry, 'smp')
  // Parameters of one version have no text form.
  if (!('str' in entry)) {
    sameBytes(encode(e2eParamsCodec, decode(e2eParamsCodec, bytes)), bytes)
    return
  }
  const params = decode(e2eParamsUriCodec, bytes)
  sameBytes(encode(e2eParamsUriCodec, params), bytes)
  assert.equal(formatE2eParamsUri(params), text(entry, 'str'))
  sameBytes(encode(e2eParamsUriCodec, parseE2eParamsUri(text(entry, 'str'))), bytes)
}

function checkQueueInfo(entry: JsonObject): void {
  expectKeys(entry, 'smp', 'what')
  const bytes = hex(entry, 'smp')
  sameBytes(encode(smpQueueInfoCodec, decode(smpQueueInfoCodec, bytes)), bytes)
}

function checkQueueUri(entry: JsonObject): void {
  expectKeys(entry, 'smp', 'uri', 'what')
  const queue = parseQueueUri(text(entry, 'uri'))
  assert.equal(formatQueueUri(queue), text(entry, 'uri'))
  sameBytes(encode(smpQueueUriCodec, queue), hex(entry, 'smp'))
  const read = decode(smpQueueUriCodec, hex(entry, 'smp'))
  sameBytes(encode(smpQueueUriCodec, read), hex(entry, 'smp'))
  assert.equal(formatQueueUri(withoutMode(read)), formatQueueUri(withoutMode(queue)))
}

function checkServer(entry: JsonObject): void {
  expectKeys(entry, 'printed', 'smp', 'uri')
  const { scheme, ...address } = parseServerAddress(text(entry, 'uri'))
  assert.equal(formatServerAddress(scheme, address, { bareIpv6: true }), text(entry, 'printed'))
  assert.deepEqual(parseServerAddress(formatServerAddress(scheme, address)), { scheme, ...address })
  if (entry.smp === null) return
  sameBytes(encode(smpServerCodec, address.server), hex(entry, 'smp'))
  sameBytes(encode(smpServerCodec, decode(smpServerCodec, hex(entry, 'smp'))), hex(entry, 'smp'))
}

function checkShortLink(entry: JsonObject): void {
  expectKeys(entry, 'roundtripSame', 'smp', 'uri', 'what')
  const link = parseShortLink(text(entry, 'uri'))
  assert.equal(formatShortLink(link) === text(entry, 'uri'), entry.roundtripSame)
  assert.deepEqual(parseConnectionLink(text(entry, 'uri')), { type: 'short', link })
  sameBytes(encode(shortLinkCodec, link), hex(entry, 'smp'))
  const read = decode(shortLinkCodec, hex(entry, 'smp'))
  sameBytes(encode(shortLinkCodec, read), hex(entry, 'smp'))
  assert.equal(formatShortLink({ ...read, scheme: link.scheme }), formatShortLink(link))
}

function checkKey(entry: JsonObject): void {
  expectKeys(entry, 'privPKCS8', 'privRaw', 'pubRaw', 'pubSPKI')
  const key = PrivateKey.fromPkcs8(hex(entry, 'privPKCS8'))
  sameBytes(key.raw, hex(entry, 'privRaw'))
  sameBytes(key.publicKey.raw, hex(entry, 'pubRaw'))
  assert.ok(PublicKey.fromSpki(hex(entry, 'pubSPKI')).equals(key.publicKey))
}

/** A value that the entries of the file were made with: one of them must hold it. */
function usedIn(file: JsonObject, sections: readonly string[], length?: number): SectionCheck {
  return function* (section, name) {
    yield {
      name,
      run() {
        const bytes = fromHex(String(section), name)
        if (length !== undefined) assert.equal(bytes.length, length)
        const entries = sections.flatMap((key) => file[key]).map((item) => object(item).smp)
        assert.ok(entries.some((smp) => typeof smp === 'string' && smp.includes(String(section))))
      },
    }
  }
}

/** Addresses, links and parameters in text and binary form. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-uris.json',
    cases: (data) =>
      sectionCases(data, {
        connectionRequests: each(checkConnectionRequest),
        dhKey: one(checkKey),
        e2eParams: each(checkE2eParams),
        kemPk: usedIn(object(data), ['e2eParams'], SNTRUP761_PUBLIC_KEY_LENGTH),
        linkId: usedIn(object(data), ['shortLinks']),
        linkKey: usedIn(object(data), ['shortLinks']),
        queueInfos: each(checkQueueInfo),
        queueUris: each(checkQueueUri),
        senderId: usedIn(object(data), ['queueInfos', 'queueUris']),
        servers: each(checkServer),
        shortLinks: each(checkShortLink),
        x3dh1: one(checkKey),
        x3dh2: one(checkKey),
      }),
  },
]
