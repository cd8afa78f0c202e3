import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { AcnStatusError, type AgentRecord, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { AddressLookup, type LookupNetwork, type Provider } from '../../../src/peer/dht/lookup.ts'
import { newRecord } from '../test-peer.ts'

const SELF = new PeerKey(randomBytes(32)).peerId
const TIMES = { lookup: 2000, foreignLookup: 2000, notFound: 50, searchAgain: 10 }

interface Fixture extends LookupNetwork {
  searches: number
  asked: string[]
  providers: Provider[]
  answer: (provider: Provider, signal: AbortSignal) => Promise<AgentRecord>
}

function fixture(): Fixture {
  const state: Fixture = {
    peerId: SELF,
    searches: 0,
    asked: [],
    providers: [],
    answer: async () => {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown')
    },
    async *findProviders() {
      state.searches++
      yield* state.providers
    },
    askProvider: (provider, _address, signal) => {
      state.asked.push(provider.peerId)
      return state.answer(provider, signal)
    },
  }
  return state
}

const lookupOf = (network: LookupNetwork, foreignLookups = 10, times = TIMES) =>
  new AddressLookup(network, { foreignLookups }, times)
const providerOf = (peerId: string): Provider => ({ peerId, addresses: [] })

function agent() {
  const key = new PeerKey(randomBytes(32))
  return { key, record: newRecord(key.publicKeyHex) }
}

describe('look-up of an address', () => {
  test('the first provider that proves it wins; the peer is that of the record', async () => {
    const { key, record } = agent()
    const network = fixture()
    network.providers = [providerOf('a'), providerOf('b')]
    network.answer = async ({ peerId }) => {
      if (peerId === 'a') throw new Error('gone')
      return record
    }
    assert.deepEqual(await lookupOf(network).find('x'), { record, peerId: key.peerId, provider: 'b' })
  })

  test('one search is under way for an address, whoever waits for it', async () => {
    const { record } = agent()
    const network = fixture()
    network.providers = [providerOf('a')]
    const asked = Promise.withResolvers<AgentRecord>()
    network.answer = () => asked.promise
    const lookup = lookupOf(network)
    const waiting = Array.from({ length: 20 }, () => lookup.find('x'))
    asked.resolve(record)
    const found = await Promise.all(waiting)
    assert.ok(found.every((resolution) => resolution?.record === record))
    assert.deepEqual([network.searches, network.asked.length, lookup.size], [1, 1, 0])
  })

  test('for ourselves the search is repeated, as the agent may be about to come', async () => {
    const { record } = agent()
    const network = fixture()
    network.answer = async () => record
    const found = lookupOf(network).find('x')
    network.providers = []
    await new Promise((resolve) => setImmediate(resolve))
    network.providers = [providerOf('a')]
    assert.equal((await found)?.record, record)
    assert.ok(network.searches > 1)
  })

  test('for another peer one search is made, without asking that peer or ourselves', async () => {
    const network = fixture()
    network.providers = [providerOf('asker'), providerOf(SELF), providerOf('a')]
    assert.equal(await lookupOf(network).find('x', { asker: 'asker' }), undefined)
    assert.deepEqual([network.searches, network.asked], [1, ['a']])
  })

  test('what was not found is not looked for again for a while', async () => {
    const network = fixture()
    const lookup = lookupOf(network, 10, { ...TIMES, notFound: 60_000 })
    await lookup.find('x', { timeout: 0 })
    await lookup.find('x', { timeout: 0 })
    await lookup.find('x', { asker: 'asker' })
    assert.equal(network.searches, 1)
    lookup.expect('x')
    await lookup.find('x', { timeout: 0 })
    assert.equal(network.searches, 2)
  })

  test('a peer that asks us back for what we ask it for gets no answer from that', async () => {
    const { record } = agent()
    const network = fixture()
    network.providers = [providerOf('loop'), providerOf('b')]
    const lookup = lookupOf(network)
    const back: unknown[] = []
    network.answer = async ({ peerId }) => {
      if (peerId === 'b') return record
      back.push(await lookup.find('x', { asker: 'loop' }))
      throw new Error('unknown')
    }
    assert.equal((await lookup.find('x', { asker: 'first' }))?.record, record)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(back, [undefined])
  })

  test('the same peer asking twice at once is a circle too', async () => {
    const network = fixture()
    network.providers = [providerOf('a')]
    network.answer = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const abort = new AbortController()
    const lookup = lookupOf(network)
    const first = lookup.find('x', { asker: 'peer', signal: abort.signal })
    assert.equal(await lookup.find('x', { asker: 'peer' }), undefined)
    abort.abort(new Error('enough'))
    await assert.rejects(first, /enough/)
  })

  test('peers that are known not to have the agent are left out', async () => {
    const { key, record } = agent()
    const network = fixture()
    network.providers = [providerOf(key.peerId), providerOf('a')]
    network.answer = async () => record
    const found = await lookupOf(network).find('x', { exclude: [key.peerId], timeout: 0 })
    assert.equal(found, undefined)
    assert.deepEqual(network.asked, ['a'])
  })

  test('ends with its deadline though a provider never answers', async () => {
    const network = fixture()
    network.providers = [providerOf('silent')]
    const gaveUp = Promise.withResolvers<void>()
    network.answer = (_, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          gaveUp.resolve()
          reject(signal.reason)
        }),
      )
    assert.equal(await lookupOf(network).find('x', { timeout: 30 }), undefined)
    await gaveUp.promise
  })

  test('a search for which nobody waits any more is given up', async () => {
    const network = fixture()
    network.providers = [providerOf('silent')]
    const [asked, gaveUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    network.answer = (_, signal) => {
      asked.resolve()
      signal.addEventListener('abort', () => gaveUp.resolve())
      return new Promise(() => {})
    }
    const abort = new AbortController()
    const found = lookupOf(network).find('x', { signal: abort.signal })
    await asked.promise
    abort.abort(new Error('enough'))
    await assert.rejects(found, /enough/)
    await gaveUp.promise
  })

  test('no more than so many are made for others', async () => {
    const network = fixture()
    network.providers = [providerOf('silent')]
    network.answer = () => new Promise(() => {})
    const lookup = lookupOf(network, 2)
    const abort = new AbortController()
    const waiting = ['x', 'y'].map((address) => lookup.find(address, { asker: 'peer', signal: abort.signal }))
    await assert.rejects(lookup.find('z', { asker: 'peer' }), AcnStatusError)
    assert.equal(lookup.size, 2)
    abort.abort(new Error('enough'))
    await Promise.allSettled(waiting)
  })
})
