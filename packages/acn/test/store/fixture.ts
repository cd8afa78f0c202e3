import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AgentRecord } from '@parley/acn/protocol'
import { type NewEnvelope, type Registration, SqliteAcnStore, type StoreLimits } from '@parley/acn/store'

/** A folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acn-store-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A store that is closed after the test, in a folder of its own unless one is given. */
export async function openStore(
  t: TestContext,
  {
    folder,
    passphrase,
    ...limits
  }: Partial<StoreLimits> & { readonly folder?: string; readonly passphrase?: string } = {},
): Promise<SqliteAcnStore> {
  const store = await SqliteAcnStore.open(folder ?? (await temporaryFolder(t)), limits, passphrase)
  t.after(() => store.close())
  return store
}

let made = 0

/** A new id. */
export function nextId(): string {
  made++
  return made.toString(16).padStart(32, '0')
}

/** An envelope whose bytes are the given words. */
export function envelope(words: string, rest: Partial<NewEnvelope> = {}): NewEnvelope {
  return {
    id: nextId(),
    to: 'receiver',
    sender: 'sender',
    bytes: Buffer.from(words),
    source: 'delegate',
    receivedAt: 1000,
    ...rest,
  }
}

/** The words of envelopes. */
export function wordsOf(envelopes: readonly { readonly bytes: Uint8Array }[]): string[] {
  return envelopes.map(({ bytes }) => Buffer.from(bytes).toString())
}

export function recordOf(address: string, signature = 'signature'): AgentRecord {
  return {
    serviceId: 'acn',
    ledgerId: 'fetchai',
    address,
    publicKey: 'key',
    peerPublicKey: 'peer key',
    signature,
    notBefore: '',
    notAfter: '',
  }
}

export function registration(address: string, issuedAt: number, rest: Partial<Registration> = {}): Registration {
  return { kind: 'delegate', record: recordOf(address), issuedAt, ...rest }
}
