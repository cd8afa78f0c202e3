import assert from 'node:assert/strict'
import { fingerprint, validateChain, verifySignedKey } from '@parley/core/certificates'
import { encode, toBase64url } from '@parley/core/encoding'
import { isCompatible } from '@parley/core/version'
import {
  clientHelloCodec,
  decodeClientHello,
  decodeServerHello,
  SMP_VERSIONS,
  serverHelloCodec,
} from '@parley/smp/protocol'
import {
  hex,
  object,
  type SectionCheck,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

/** A hello of a later version, which has more fields. */
function withTrailing(hello: Uint8Array): Uint8Array {
  return Uint8Array.of(...hello, 1, 2, 3)
}

/** DER of the only certificate in PEM text. */
function pemToDer(pem: string): Uint8Array {
  const body = /-----BEGIN CERTIFICATE-----([\s\S]*)-----END CERTIFICATE-----/.exec(pem)?.[1]
  assert.ok(body !== undefined, 'not a PEM certificate')
  return Buffer.from(body.replaceAll(/\s/g, ''), 'base64')
}

/** Checks one field of the file, which is one session's handshake. */
function check(run: () => void): SectionCheck {
  return function* (_section, name) {
    yield { name, run }
  }
}

/** Hellos of a real session with the certificates of its router. */
export const coverage: VectorFile[] = [
  {
    file: 'sx-handshake.json',
    cases(data) {
      const file = object(data)
      const serverHello = () => decodeServerHello(hex(file, 'serverHello'))
      const clientHello = () => decodeClientHello(hex(file, 'clientHello'))
      const authentication = () => {
        const certified = serverHello().authentication
        assert.ok(certified)
        return certified
      }
      return sectionCases(data, {
        sessionId: check(() => sameBytes(serverHello().sessionId, hex(file, 'sessionId'))),
        keyHash: check(() => {
          const { keyHash } = clientHello()
          assert.equal(toBase64url(keyHash), text(file, 'keyHash'))
          const { identityCertificate } = validateChain([...authentication().certificates], { keyHash })
          sameBytes(fingerprint(identityCertificate), keyHash)
        }),
        caCertPem: check(() => {
          const der = pemToDer(text(file, 'caCertPem'))
          assert.equal(toBase64url(fingerprint(der)), text(file, 'keyHash'))
          sameBytes(authentication().certificates.at(-1) ?? der.subarray(0, 0), der)
        }),
        serverCertPem: check(() => {
          sameBytes(authentication().certificates[0], pemToDer(text(file, 'serverCertPem')))
        }),
        serverHello: check(() => {
          const hello = serverHello()
          sameBytes(encode(serverHelloCodec, hello), hex(file, 'serverHello'))
          assert.deepEqual(decodeServerHello(withTrailing(hex(file, 'serverHello'))), hello)
          const { certificates, signedKey } = authentication()
          const { leafKey } = validateChain([...certificates])
          assert.ok(leafKey.is('ed25519') || leafKey.is('ed448'))
          assert.ok(verifySignedKey(signedKey, leafKey).is('x25519'))
        }),
        clientHello: check(() => {
          const hello = clientHello()
          sameBytes(encode(clientHelloCodec, hello), hex(file, 'clientHello'))
          assert.deepEqual(decodeClientHello(withTrailing(hex(file, 'clientHello'))), hello)
          assert.ok(isCompatible(hello.version, serverHello().versions) && isCompatible(hello.version, SMP_VERSIONS))
        }),
      })
    },
  },
]
