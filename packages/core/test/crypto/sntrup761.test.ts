import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  KemKeyPairPool,
  loadSntrup761,
  SNTRUP761_CIPHERTEXT_LENGTH,
  SNTRUP761_PUBLIC_KEY_LENGTH,
  SNTRUP761_SECRET_KEY_LENGTH,
  SNTRUP761_SHARED_SECRET_LENGTH,
} from '@parley/core/crypto'
import { build } from 'esbuild'

const run = promisify(execFile)
const wrongLength = { name: 'CryptoError', code: 'KEM' }

describe('sntrup761', () => {
  it('gives both sides one secret', async () => {
    const kem = await loadSntrup761()
    const { publicKey, secretKey } = kem.generateKeyPair()
    assert.equal(publicKey.length, SNTRUP761_PUBLIC_KEY_LENGTH)
    assert.equal(secretKey.length, SNTRUP761_SECRET_KEY_LENGTH)
    // Buffers and views, as they come from blocks and stores.
    const { ciphertext, sharedSecret } = kem.encapsulate(Buffer.from(publicKey))
    assert.equal(ciphertext.length, SNTRUP761_CIPHERTEXT_LENGTH)
    assert.equal(sharedSecret.length, SNTRUP761_SHARED_SECRET_LENGTH)
    const block = Buffer.alloc(2000)
    block.set(ciphertext, 7)
    const view = block.subarray(7, 7 + ciphertext.length)
    assert.deepEqual(kem.decapsulate(Buffer.from(secretKey), view), sharedSecret)
    const { sharedSecret: another } = kem.encapsulate(publicKey)
    assert.notDeepEqual(another, sharedSecret)
  })

  it('answers a changed ciphertext with another secret', async () => {
    const kem = await loadSntrup761()
    const { publicKey, secretKey } = kem.generateKeyPair()
    const { ciphertext, sharedSecret } = kem.encapsulate(publicKey)
    for (const at of [0, 500, ciphertext.length - 1]) {
      const changed = new Uint8Array(ciphertext)
      changed[at] = (changed[at] as number) ^ 1
      assert.notDeepEqual(kem.decapsulate(secretKey, changed), sharedSecret)
    }
  })

  it('refuses other lengths', async () => {
    const kem = await loadSntrup761()
    const [publicKey, secretKey] = [SNTRUP761_PUBLIC_KEY_LENGTH, SNTRUP761_SECRET_KEY_LENGTH]
    const ciphertext = SNTRUP761_CIPHERTEXT_LENGTH
    assert.throws(() => kem.encapsulate(new Uint8Array(publicKey - 1)), wrongLength)
    assert.throws(() => kem.decapsulate(new Uint8Array(secretKey + 1), new Uint8Array(ciphertext)), wrongLength)
    assert.throws(() => kem.decapsulate(new Uint8Array(secretKey), new Uint8Array(0)), wrongLength)
  })
})

describe('KemKeyPairPool', () => {
  it('gives everybody another pair that works', async (t) => {
    const pool = new KemKeyPairPool({ size: 2 })
    t.after(() => pool.close())
    const pairs = await Promise.all(Array.from({ length: 5 }, () => pool.take()))
    assert.equal(new Set(pairs.map(({ publicKey }) => Buffer.from(publicKey).toString('hex'))).size, 5)
    const kem = await loadSntrup761()
    for (const { publicKey, secretKey } of pairs) {
      const { ciphertext, sharedSecret } = kem.encapsulate(publicKey)
      assert.deepEqual(kem.decapsulate(secretKey, ciphertext), sharedSecret)
    }
  })

  it('takes back pairs up to its size', async (t) => {
    const pool = new KemKeyPairPool({ size: 1 })
    t.after(() => pool.close())
    assert.equal(pool.ready, 0)
    const kem = await loadSntrup761()
    const [first, second] = [kem.generateKeyPair(), kem.generateKeyPair()]
    pool.giveBack(first)
    pool.giveBack(second)
    assert.equal(pool.ready, 1)
    assert.equal(await pool.take(), first)
    assert.notEqual(await pool.take(), second)
  })

  it('lets a signal end a wait', async (t) => {
    const pool = new KemKeyPairPool({ size: 1 })
    t.after(() => pool.close())
    const reason = new Error('stop')
    const controller = new AbortController()
    const waiting = pool.take(controller.signal)
    const other = pool.take()
    controller.abort(reason)
    await assert.rejects(waiting, reason)
    await assert.rejects(pool.take(AbortSignal.abort(reason)), reason)
    assert.equal((await other).publicKey.length, SNTRUP761_PUBLIC_KEY_LENGTH)
  })

  it('refuses those who wait and those who come when it is closed', async () => {
    const pool = new KemKeyPairPool({ size: 3 })
    const waiting = pool.take()
    const closed = assert.rejects(waiting, wrongLength)
    await pool.close()
    await closed
    await assert.rejects(pool.take(), wrongLength)
    const kem = await loadSntrup761()
    pool.giveBack(kem.generateKeyPair())
    assert.equal(pool.ready, 0)
    await pool.close()
  })

  it('refuses a size that holds nothing', () => {
    for (const size of [0, -1, 1.5]) assert.throws(() => new KemKeyPairPool({ size }), RangeError)
  })

  it('works in one bundled file, serves a waiting take and does not keep the process alive', async (t) => {
    const packageFolder = fileURLToPath(new URL('../../', import.meta.url))
    // Inside the package, from where its dependencies are found.
    const folder = await mkdtemp(join(packageFolder, 'bundle-'))
    t.after(() => rm(folder, { recursive: true }))
    const outfile = join(folder, 'program.mjs')
    await build({
      stdin: {
        contents: `
          import { KemKeyPairPool } from './src/crypto/index.ts'
          const pool = new KemKeyPairPool({ size: 50 })
          pool.take().then(({ publicKey }) => console.log(publicKey.length))`,
        resolveDir: packageFolder,
      },
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      external: ['sodium-native', '@oqs/liboqs-js'],
      outfile,
      logLevel: 'silent',
    })
    // Ends by itself, and long before the other 49 pairs are made.
    const { stdout } = await run(process.execPath, [outfile], { timeout: 30_000 })
    assert.equal(stdout.trim(), String(SNTRUP761_PUBLIC_KEY_LENGTH))
  })
})
