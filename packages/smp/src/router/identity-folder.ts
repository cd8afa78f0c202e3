import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { createRouterCertificates, fingerprint, fromPem, toPem } from '@parley/core/certificates'
import { CryptoError, PrivateKey, type SignatureAlgorithm } from '@parley/core/crypto'
import { DecodeError, toBase64url } from '@parley/core/encoding'
import type { RouterCertificates } from './options.ts'

/** Names of the files, those of the originals: `spec/smp.md §8.1`. */
const FILES = {
  identityCertificate: 'ca.crt',
  identityKey: 'ca.key',
  serverCertificate: 'server.crt',
  serverKey: 'server.key',
  fingerprint: 'fingerprint',
} as const

const SECRET_MODE = 0o600
const PUBLIC_MODE = 0o644

/** The certificates in a data folder cannot be used: missing, damaged, or not those of the fingerprint beside them. */
export class IdentityError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IdentityError'
  }
}

/** What to make at the first start. */
export interface IdentityOptions {
  readonly algorithm: SignatureAlgorithm
  readonly commonName: string
}

/**
 * The certificates of a data folder; makes them when there are none yet. The identity's own key is needed for
 * new server certificates only and may be kept elsewhere.
 * @throws IdentityError; the system's error when a file cannot be read or written
 */
export async function openIdentity(folder: string, options: IdentityOptions): Promise<RouterCertificates> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = (file: keyof typeof FILES) => join(folder, FILES[file])
  // The identity certificate is written last: where it is, everything is.
  if ((await readText(path('identityCertificate'))) === undefined) await createIdentity(path, options)
  const certificates = await readCertificates(path)
  const expected = toBase64url(fingerprint(certificates.identityCertificate))
  const stored = await readText(path('fingerprint'))
  if (stored === undefined) await writeFile(path('fingerprint'), `${expected}\n`, PUBLIC_MODE)
  else if (stored.trim() !== expected) {
    throw new IdentityError(`${path('fingerprint')} is not that of ${path('identityCertificate')}`)
  }
  return certificates
}

type Path = (file: keyof typeof FILES) => string

async function createIdentity(path: Path, options: IdentityOptions): Promise<void> {
  const made = createRouterCertificates(options)
  await writeFile(path('identityKey'), toPem('PRIVATE KEY', made.identityKey.pkcs8), SECRET_MODE)
  await writeFile(path('serverKey'), toPem('PRIVATE KEY', made.serverKey.pkcs8), SECRET_MODE)
  await writeFile(path('serverCertificate'), toPem('CERTIFICATE', made.serverCertificate), PUBLIC_MODE)
  await writeFile(path('identityCertificate'), toPem('CERTIFICATE', made.identityCertificate), PUBLIC_MODE)
}

async function readCertificates(path: Path): Promise<RouterCertificates> {
  const read = async (file: keyof typeof FILES, label: 'CERTIFICATE' | 'PRIVATE KEY'): Promise<Uint8Array> => {
    const text = await readText(path(file))
    if (text === undefined) throw new IdentityError(`${path(file)} is missing`)
    try {
      const [value] = fromPem(label, text)
      if (value) return value
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause
    }
    throw new IdentityError(`${path(file)} holds no ${label}`)
  }
  const identityCertificate = await read('identityCertificate', 'CERTIFICATE')
  const serverCertificate = await read('serverCertificate', 'CERTIFICATE')
  try {
    const serverKey = PrivateKey.fromPkcs8(await read('serverKey', 'PRIVATE KEY'))
    if (serverKey.is('ed25519') || serverKey.is('ed448')) {
      return { identityCertificate, serverCertificate, serverKey: serverKey as PrivateKey<SignatureAlgorithm> }
    }
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
  }
  throw new IdentityError(`${path('serverKey')} is no key of Ed25519 or Ed448`)
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all, also when the power fails. */
async function writeFile(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}
