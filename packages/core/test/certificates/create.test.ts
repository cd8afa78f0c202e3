import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { connect, createServer } from 'node:tls'
import {
  createRouterCertificates,
  createServerCertificate,
  fingerprint,
  fromPem,
  readCertificate,
  toPem,
  validateChain,
} from '@parley/core/certificates'
import { EncodeError } from '@parley/core/encoding'

const DAY_MS = 86_400_000

for (const algorithm of ['ed25519', 'ed448'] as const) {
  describe(`router certificates, ${algorithm}`, () => {
    const made = createRouterCertificates({ algorithm, commonName: 'smp.example.org' })
    const identity = new X509Certificate(made.identityCertificate)
    const server = new X509Certificate(made.serverCertificate)

    it('are what OpenSSL expects of an authority and a server', () => {
      assert.equal(identity.subject, 'CN=SMP server CA\nO=SimpleX')
      assert.equal(identity.issuer, identity.subject)
      assert.ok(identity.ca)
      assert.ok(identity.checkIssued(identity) && identity.verify(identity.publicKey))
      assert.equal(server.subject, 'CN=smp.example.org')
      assert.equal(server.issuer, identity.subject)
      assert.ok(!server.ca)
      assert.ok(server.checkIssued(identity) && server.verify(identity.publicKey))
      assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1'])
      assert.equal(server.publicKey.asymmetricKeyType, algorithm)
      assert.ok(server.checkPrivateKey(made.serverKey.keyObject))
      assert.ok(identity.checkPrivateKey(made.identityKey.keyObject))
      assert.notEqual(server.serialNumber, identity.serialNumber)
      assert.equal(server.serialNumber.length, 40)
    })

    it('are valid for 999,999 days', () => {
      for (const der of [made.identityCertificate, made.serverCertificate]) {
        const { notBefore, notAfter, version } = readCertificate(der)
        assert.equal(notAfter.getTime() - notBefore.getTime(), 999_999 * DAY_MS)
        assert.equal(new X509Certificate(der).validToDate.getTime(), notAfter.getTime())
        assert.equal(new X509Certificate(der).validFromDate.getTime(), notBefore.getTime())
        assert.equal(version, 3)
      }
    })

    it('keep the address when the server certificate is renewed', () => {
      const keyHash = fingerprint(made.identityCertificate)
      const renewed = createServerCertificate(made, { commonName: 'other.example.org' })
      const chain = [renewed.serverCertificate, made.identityCertificate]
      assert.ok(validateChain(chain, { keyHash }).leafKey.equals(renewed.serverKey.publicKey))
    })

    it('are accepted by a TLS client that trusts the identity', async (t) => {
      const local = createServerCertificate(made, { commonName: 'localhost' })
      const secret = Buffer.from(local.serverKey.pkcs8)
      const listener = createServer({
        cert: toPem('CERTIFICATE', local.serverCertificate, made.identityCertificate),
        key: toPem('PRIVATE KEY', secret),
      })
      t.after(() => listener.close())
      listener.on('secureConnection', (socket) => socket.end('hello'))
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
      const { port } = listener.address() as AddressInfo
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: toPem('CERTIFICATE', made.identityCertificate),
        sigalgs: 'ed448:ed25519',
        checkServerIdentity: () => undefined,
      })
      t.after(() => socket.destroy())
      const [data] = (await once(socket, 'data')) as [Buffer]
      assert.ok(socket.authorized)
      assert.equal(data.toString(), 'hello')
      const peer = socket.getPeerX509Certificate()
      assert.deepEqual(new Uint8Array(peer?.raw ?? []), new Uint8Array(local.serverCertificate))
    })

    it('survive PEM', () => {
      const pem = toPem('CERTIFICATE', made.serverCertificate, made.identityCertificate)
      assert.deepEqual(
        fromPem('CERTIFICATE', `comment\n${pem}`),
        [made.serverCertificate, made.identityCertificate].map((der) => new Uint8Array(der)),
      )
      assert.equal(new X509Certificate(pem).fingerprint256, server.fingerprint256)
    })
  })
}

describe('times of certificates', () => {
  it('change their form in 2050', () => {
    for (const year of [1950, 1999, 2000, 2049, 2050, 2051, 7000]) {
      const now = new Date(Date.UTC(year, 1, 28, 23, 59, 59))
      const { serverCertificate } = createRouterCertificates({ algorithm: 'ed25519', commonName: 'a', now })
      assert.equal(readCertificate(serverCertificate).notBefore.getTime(), now.getTime())
      assert.equal(new X509Certificate(serverCertificate).validFromDate.getTime(), now.getTime())
    }
  })

  it('cannot pass the year 9999', () => {
    const now = new Date('7300-01-01')
    assert.throws(() => createRouterCertificates({ algorithm: 'ed25519', commonName: 'a', now }), EncodeError)
    const commonName = ''
    assert.throws(() => createRouterCertificates({ algorithm: 'ed25519', commonName }), EncodeError)
  })
})
