import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodeError, encode, toHex } from '@parley/core/encoding'
import {
  type ClientHello,
  clientHelloCodec,
  decodeClientHello,
  decodeServerHello,
  decodeServiceResponse,
  type ServiceResponse,
  serverHelloCodec,
  serviceResponseCodec,
} from '@parley/smp/protocol'
import fc from 'fast-check'
import { bytes, certificates, dhKey, entityId, shortBytes, versionRange } from './arbitraries.ts'
import { checkCodec, contextFree, mutated, noContext, sameValue, throwsOnlyDecodeError } from './codec-properties.ts'

const certified = fc.record({ certificates, signedKey: bytes() })

const serverHello = fc.record(
  { versions: versionRange, sessionId: shortBytes, authentication: certified },
  { requiredKeys: ['versions', 'sessionId'] },
)

const clientHello: fc.Arbitrary<ClientHello> = fc.record(
  {
    version: fc.integer({ min: 6, max: 20 }),
    keyHash: bytes({ minLength: 32, maxLength: 32 }),
    sessionKey: dhKey,
    proxyServer: fc.boolean(),
    service: fc.record({
      role: fc.constantFrom('messaging', 'notifier', 'proxy'),
      certificates,
      signedKey: bytes(),
    }),
  },
  { requiredKeys: ['version', 'keyHash', 'proxyServer'] },
)

const serviceResponse: fc.Arbitrary<ServiceResponse> = fc.oneof(
  fc.record({ type: fc.constant('service' as const), serviceId: entityId }),
  fc.record({
    type: fc.constant('error' as const),
    error: fc.oneof(
      fc.record({ type: fc.constantFrom('BLOCK', 'VERSION', 'LARGE_MSG', 'SESSION', 'NO_AUTH') }),
      fc.record({
        type: fc.constant('HANDSHAKE' as const),
        error: fc.constantFrom('PARSE', 'IDENTITY', 'BAD_AUTH', 'BAD_SERVICE'),
      }),
    ),
  }),
)

/** What a client hello carries at its version: `spec/smp.md §2.2`. */
function atVersion({ version, keyHash, sessionKey, proxyServer, service }: ClientHello): ClientHello {
  return {
    version,
    keyHash,
    ...(sessionKey && version >= 7 && { sessionKey }),
    proxyServer: version >= 14 && proxyServer,
    ...(service && version >= 16 && { service }),
  }
}

test('server hellos round trip', () => {
  checkCodec(contextFree(serverHelloCodec), serverHello, noContext, ({ authentication, ...hello }) =>
    authentication && hello.versions.max >= 7 ? { ...hello, authentication } : hello,
  )
})

test('client hellos round trip at every version', () => {
  checkCodec(contextFree(clientHelloCodec), clientHello, noContext, atVersion)
})

test('service responses round trip', () => {
  checkCodec(contextFree(serviceResponseCodec), serviceResponse, noContext)
  const error: ServiceResponse = { type: 'error', error: { type: 'HANDSHAKE', error: 'BAD_SERVICE' } }
  assert.equal(Buffer.from(encode(serviceResponseCodec, error)).toString(), 'EHANDSHAKE BAD_SERVICE')
})

test('what later versions append to hellos is ignored', () => {
  fc.assert(
    fc.property(clientHello, serverHello, serviceResponse, bytes(), (client, server, response, more) => {
      fc.pre(server.authentication !== undefined && client.version >= 16 && response.type === 'service')
      const extended = (content: Uint8Array) => Buffer.concat([content, more])
      sameValue(decodeClientHello(extended(encode(clientHelloCodec, client))), atVersion(client))
      if (server.versions.max >= 7) sameValue(decodeServerHello(extended(encode(serverHelloCodec, server))), server)
      sameValue(decodeServiceResponse(extended(encode(serviceResponseCodec, response))), response)
    }),
  )
})

test('no bytes make the decoders throw anything but DecodeError', () => {
  const hellos = fc.oneof(
    clientHello.map((hello) => encode(clientHelloCodec, hello)),
    serverHello.map((hello) => encode(serverHelloCodec, hello)),
    serviceResponse.map((response) => encode(serviceResponseCodec, response)),
  )
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated(hellos)), (content) => {
      for (const decode of [decodeClientHello, decodeServerHello, decodeServiceResponse]) {
        throwsOnlyDecodeError(() => decode(content))
      }
    }),
    { numRuns: 1000 },
  )
})

test('a hello without a key goes on with the next field', () => {
  const hello = { version: 18, keyHash: new Uint8Array(1), proxyServer: true }
  const content = encode(clientHelloCodec, hello)
  assert.equal(toHex(content), '0012010054' + '30')
  sameValue(decodeClientHello(content), hello)
  assert.throws(() => decodeClientHello(content.subarray(0, -1)), DecodeError)
})
