import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObservedBytes } from '@parley/acn/peer'
import { TestPeer } from '../test-peer.ts'

test('an observer is told what a host and its peers say inside of their encryption, both ways', async (t) => {
  const seen: { readonly peerId: string; readonly direction: string; readonly bytes: Buffer }[] = []
  const observe = ({ peerId, direction, bytes }: ObservedBytes) =>
    void seen.push({ peerId, direction, bytes: Buffer.from(bytes) })
  const first = await TestPeer.start({ observe })
  t.after(() => first.stop())
  const second = await TestPeer.start({ entryPeers: [first.multiaddr] })
  t.after(() => second.stop())
  await second.host.join(AbortSignal.timeout(20_000))
  const textOf = (direction: string) =>
    Buffer.concat(seen.filter((one) => one.direction === direction).map(({ bytes }) => bytes))
  await second.send(first.address, Buffer.from('said by the second'))
  await first.send(second.address, Buffer.from('said by the first'))
  assert.ok(textOf('in').includes('said by the second') && textOf('out').includes('said by the first'))
  assert.ok(!textOf('in').includes('said by the first') && !textOf('out').includes('said by the second'))
  assert.deepEqual([...new Set(seen.map(({ peerId }) => peerId))], [second.host.peerId])
})
