import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import {
  BLOCK_SIZE,
  BlockCipher,
  MAX_ENCRYPTED_BLOCK_CONTENT,
  paddedBlocks,
  TransportError,
} from '@parley/core/transport'
import fc from 'fast-check'

interface VectorBlock {
  readonly block: string
  readonly plain: string
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/sx-transmission.json', import.meta.url), 'utf8'),
) as {
  readonly sessionId: string
  readonly encryptedBlocks: {
    readonly clientToServer: readonly VectorBlock[]
    readonly serverToClient: readonly VectorBlock[]
    readonly secret_x25519dh: string
  }
}

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const sessionId = hex(vectors.sessionId)
const secret = hex(vectors.encryptedBlocks.secret_x25519dh)

const isTransportError = (code: string) => (error: unknown) => error instanceof TransportError && error.code === code

suite('block encryption of the originals', () => {
  const { clientToServer, serverToClient } = vectors.encryptedBlocks
  for (const [side, peer, blocks] of [
    ['client', 'server', clientToServer],
    ['server', 'client', serverToClient],
  ] as const) {
    test(`${side}'s blocks are made byte by byte, and the ${peer} reads them`, () => {
      const sender = BlockCipher.create(sessionId, secret, side)
      const receiver = BlockCipher.create(sessionId, secret, peer)
      for (const { block, plain } of blocks) {
        assert.equal(Buffer.from(sender.encrypt(hex(plain))).toString('hex'), block)
        assert.equal(Buffer.from(receiver.decrypt(hex(block))).toString('hex'), plain)
      }
    })
  }
})

test('sealing in place makes the same blocks, and refuses the same contents', () => {
  const seals = [
    [BlockCipher.create(sessionId, secret, 'client'), BlockCipher.create(sessionId, secret, 'client'), 16_366],
    [paddedBlocks, paddedBlocks, 16_382],
  ] as const
  for (const [copying, inPlace, longest] of seals) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(longest), (start, length) => {
        const content = Buffer.alloc(length, 7)
        content.set(start.subarray(0, length))
        const block = Buffer.alloc(BLOCK_SIZE, 0xff)
        block.set(content, inPlace.contentAt)
        inPlace.sealInPlace(block, length)
        assert.deepEqual(block, copying.encrypt(content))
      }),
    )
    const block = Buffer.alloc(BLOCK_SIZE)
    assert.throws(() => inPlace.sealInPlace(block, longest + 1), isTransportError('LARGE_MSG'))
  }
})

suite('BlockCipher', () => {
  const pair = () =>
    [BlockCipher.create(sessionId, secret, 'client'), BlockCipher.create(sessionId, secret, 'server')] as const

  test('contents of every length come back, in both directions', () => {
    const [client, server] = pair()
    fc.assert(
      fc.property(fc.nat(MAX_ENCRYPTED_BLOCK_CONTENT), fc.boolean(), (length, fromClient) => {
        const [sender, receiver] = fromClient ? [client, server] : [server, client]
        const content = Buffer.alloc(length, length)
        const block = sender.encrypt(content)
        assert.equal(block.length, BLOCK_SIZE)
        assert.deepEqual(Buffer.from(receiver.decrypt(block)), content)
      }),
    )
  })

  test('equal contents give different blocks', () => {
    const [client] = pair()
    assert.notDeepEqual(client.encrypt(secret), client.encrypt(secret))
  })

  test('a block that does not decrypt counts: the next one is read', () => {
    const [client, server] = pair()
    const broken = client.encrypt(secret)
    broken.set([(broken[100] ?? 0) ^ 1], 100)
    assert.throws(() => server.decrypt(broken), isTransportError('BLOCK'))
    assert.deepEqual(Buffer.from(server.decrypt(client.encrypt(secret))), Buffer.from(secret))
    assert.throws(() => server.decrypt(new Uint8Array(10)), isTransportError('BLOCK'))
    client.encrypt(secret)
    assert.deepEqual(Buffer.from(server.decrypt(client.encrypt(secret))), Buffer.from(secret))
  })

  test('a content that is too large is refused and does not move the chain', () => {
    const [client, server] = pair()
    assert.throws(() => client.encrypt(new Uint8Array(MAX_ENCRYPTED_BLOCK_CONTENT + 1)), isTransportError('LARGE_MSG'))
    assert.deepEqual(Buffer.from(server.decrypt(client.encrypt(secret))), Buffer.from(secret))
  })

  test('arbitrary blocks are refused with BLOCK', () => {
    const [, server] = pair()
    fc.assert(
      fc.property(fc.uint8Array({ minLength: BLOCK_SIZE, maxLength: BLOCK_SIZE }), (block) => {
        assert.throws(() => server.decrypt(block), isTransportError('BLOCK'))
      }),
      { numRuns: 50 },
    )
  })

  test('another session id gives other keys', () => {
    const [client] = pair()
    const other = BlockCipher.create(sessionId.toReversed(), secret, 'server')
    assert.throws(() => other.decrypt(client.encrypt(secret)), isTransportError('BLOCK'))
  })
})

suite('padded blocks', () => {
  test('content comes back from a block of the right size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: BLOCK_SIZE - 2 }), (content) => {
        const block = paddedBlocks.encrypt(content)
        assert.equal(block.length, BLOCK_SIZE)
        assert.deepEqual(Buffer.from(paddedBlocks.decrypt(block)), Buffer.from(content))
      }),
    )
  })

  test('too large content, a wrong size and a wrong length are refused', () => {
    assert.throws(() => paddedBlocks.encrypt(new Uint8Array(BLOCK_SIZE - 1)), isTransportError('LARGE_MSG'))
    assert.throws(() => paddedBlocks.decrypt(new Uint8Array(BLOCK_SIZE - 1)), isTransportError('BLOCK'))
    assert.throws(() => paddedBlocks.decrypt(new Uint8Array(BLOCK_SIZE).fill(0xff)), isTransportError('BLOCK'))
  })
})
