import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeFrame, FrameDecoder, MAX_FRAME_LENGTH, readFrames } from '@parley/acn/protocol'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import fc from 'fast-check'

const bodies = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 })
const sizes = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 })

/** The bytes in pieces whose sizes repeat. */
function* pieces(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    yield bytes.subarray(offset, offset + length)
    offset += length
  }
}

function take(decoder: FrameDecoder): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(frame)
  return frames
}

describe('frames', () => {
  test('a frame is the length, big-endian, and the body', () => {
    assert.equal(Buffer.from(encodeFrame(Buffer.from('hello'))).toString('latin1'), '\0\0\0\x05hello')
    assert.throws(() => encodeFrame(new Uint8Array(MAX_FRAME_LENGTH + 1)), EncodeError)
  })

  test('frames come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(bodies, sizes, (list, lengths) => {
        const decoder = new FrameDecoder()
        const frames: Uint8Array[] = []
        for (const piece of pieces(Buffer.concat(list.map(encodeFrame)), lengths)) {
          decoder.push(piece)
          frames.push(...take(decoder))
        }
        assert.deepEqual(frames, list)
        assert.equal(decoder.buffered, 0)
      }),
    )
  })

  test('the pieces may be overwritten once they were pushed', () => {
    const decoder = new FrameDecoder()
    const chunk = encodeFrame(Buffer.from('kept'))
    decoder.push(chunk)
    const frame = decoder.next()
    chunk.fill(0)
    decoder.push(chunk)
    assert.ok(frame)
    assert.equal(Buffer.from(frame).toString(), 'kept')
  })

  test('a large frame may come byte by byte', () => {
    const body = new Uint8Array(300_000).fill(7)
    const decoder = new FrameDecoder()
    const frames: Uint8Array[] = []
    for (const piece of pieces(encodeFrame(body), [1])) {
      decoder.push(piece)
      frames.push(...take(decoder))
    }
    assert.deepEqual(frames, [body])
  })

  test('a promised length takes no memory before the bytes come', () => {
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder())
    const before = process.memoryUsage().arrayBuffers
    const header = Uint8Array.of(0, 0x30, 0, 0)
    for (const decoder of decoders) {
      decoder.push(header)
      assert.equal(decoder.next(), undefined)
    }
    // All of them would be 600 MiB.
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
    assert.equal(decoders.at(-1)?.buffered, header.length)
  })

  test('frames before one that is too long are taken, that one is refused for good', () => {
    const decoder = new FrameDecoder({ maxLength: 4 })
    decoder.push(Buffer.concat([encodeFrame(Buffer.from('four')), encodeFrame(Buffer.from('five!'))]))
    assert.equal(Buffer.from(decoder.next() ?? []).toString(), 'four')
    assert.throws(() => decoder.next(), DecodeError)
    assert.throws(() => decoder.next(), DecodeError)
  })

  test('the bound is 3 MiB and may be raised when the other side is known', () => {
    const decoder = new FrameDecoder()
    decoder.push(Uint8Array.of(0, 0x30, 0, 1))
    assert.throws(() => decoder.next(), DecodeError)
    const strict = new FrameDecoder({ maxLength: 2 })
    strict.push(encodeFrame(Buffer.from('ok')))
    assert.ok(strict.next())
    strict.maxLength = 5
    strict.push(encodeFrame(Buffer.from('more!')))
    assert.ok(strict.next())
  })
})

describe('frames of a source', () => {
  test('they come one at a time, and the source is read no further than needed', async () => {
    let read = 0
    function* source() {
      for (const word of ['one', 'two', 'three']) {
        read++
        yield encodeFrame(Buffer.from(word))
      }
    }
    const words: string[] = []
    for await (const frame of readFrames(source())) {
      words.push(Buffer.from(frame).toString())
      assert.equal(read, words.length)
    }
    assert.deepEqual(words, ['one', 'two', 'three'])
  })

  test('an end inside a frame is an error', async () => {
    const cut = encodeFrame(Buffer.from('whole')).subarray(0, 6)
    await assert.rejects(async () => {
      for await (const _ of readFrames([cut])) assert.fail('no frame is whole')
    }, DecodeError)
  })
})
