import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { addressGroup, ConnectionCounter } from '../../src/entrance/connection-limits.ts'

/** As much of a socket as is counted. */
class Remote extends EventEmitter {
  readonly remoteAddress: string
  readonly remotePort: number
  destroyed = false

  constructor(remoteAddress: string, remotePort: number) {
    super()
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }
}

const limits = { maxConnections: 6, maxPerAddress: 4, maxUnregistered: 4, maxUnregisteredPerAddress: 2 }

function arrive(counter: ConnectionCounter, address: string, port: number) {
  const remote = new Remote(address, port)
  return { remote, isAdmitted: counter.admit(remote as unknown as Socket) }
}

test('of silent connections from one address the oldest makes room', () => {
  const counter = new ConnectionCounter(limits)
  const [first, second, third] = [1, 2, 3].map((port) => arrive(counter, '10.0.0.1', port))
  assert.ok(first?.remote.destroyed)
  assert.ok(!second?.remote.destroyed && !third?.remote.destroyed)
  assert.equal(counter.count, 2)
  assert.equal(counter.unregistered, 2)
})

test('connections that registered stay, and too many of them from one address are refused', () => {
  const counter = new ConnectionCounter(limits)
  const agents = [1, 2, 3, 4].map((port) => {
    const { remote, isAdmitted } = arrive(counter, '10.0.0.1', port)
    assert.ok(isAdmitted)
    counter.register(remote)
    return remote
  })
  assert.equal(counter.unregistered, 0)
  assert.ok(!arrive(counter, '10.0.0.1', 5).isAdmitted)
  assert.ok(arrive(counter, '10.0.0.2', 5).isAdmitted)
  assert.ok(agents.every(({ destroyed }) => !destroyed))
  agents[0]?.destroy()
  assert.ok(arrive(counter, '10.0.0.1', 6).isAdmitted)
})

test('in all, silent ones make room and registered ones are refused', () => {
  const counter = new ConnectionCounter(limits)
  const silent = [1, 2, 3, 4, 5].map((n) => arrive(counter, `10.0.1.${n}`, n))
  assert.ok(silent[0]?.remote.destroyed)
  assert.equal(counter.count, 4)
  for (const { remote } of silent.slice(1)) counter.register(remote)
  assert.ok(arrive(counter, '10.0.1.6', 6).isAdmitted)
  assert.ok(arrive(counter, '10.0.1.7', 7).isAdmitted)
  assert.ok(!arrive(counter, '10.0.1.8', 8).isAdmitted)
})

test('counts come back to nothing', () => {
  const counter = new ConnectionCounter(limits)
  const { remote } = arrive(counter, '10.0.0.1', 1)
  counter.register(remote)
  arrive(counter, '10.0.0.1', 2)
  counter.destroyUnregistered()
  remote.destroy()
  assert.equal(counter.count, 0)
  assert.equal(counter.unregistered, 0)
})

test('an IPv6 customer is its first 64 bits', () => {
  assert.equal(addressGroup('192.0.2.7'), '192.0.2.7')
  assert.equal(addressGroup('::ffff:192.0.2.7'), '192.0.2.7')
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::')
  assert.equal(addressGroup('2001:db8:1:2::6'), addressGroup('2001:db8:1:2:ffff:4:5:7'))
  assert.notEqual(addressGroup('2001:db8:1:3::6'), addressGroup('2001:db8:1:2::6'))
  assert.equal(addressGroup('::1'), '0:0:0:0::')
  assert.equal(addressGroup('fe80::1%eth0'), 'fe80:0:0:0::')
})
