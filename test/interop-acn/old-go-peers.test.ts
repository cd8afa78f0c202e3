import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type GoNodeOptions, OLD_GO_NODE, WITHOUT_GO_NODE, WITHOUT_OLD_GO_NODE } from './go-node.ts'
import { MixedNetwork } from './mixed-network.ts'
import { exchangeAll, type Party } from './party.ts'

describe('the older original and ours', { skip: WITHOUT_OLD_GO_NODE, timeout: 600_000 }, () => {
  const network = new MixedNetwork()
  after(() => network.close())
  const ours = network.ours.bind(network)
  const go = network.go.bind(network)
  const delegateOf = network.delegateOf.bind(network)
  const old = (options: Partial<GoNodeOptions> = {}) => go({ program: OLD_GO_NODE, ...options })
  const oldClient = (...entryPeers: string[]) => network.goClient(entryPeers, OLD_GO_NODE)
  const newClient = (...entryPeers: string[]) => network.goClient(entryPeers)

  it('the older joins us', async () => {
    const peer = await ours()
    const node = await old({ entryPeers: [peer.multiaddr] })
    await exchangeAll([peer, await delegateOf(node), await delegateOf(node, 1)])
  })

  it('we join the older', async () => {
    const node = await old()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    await exchangeAll([peer, await delegateOf(node, 2)])
  })

  it('both generations meet at ours', { skip: WITHOUT_GO_NODE }, async () => {
    const middle = await ours()
    const older = await old({ entryPeers: [middle.multiaddr] })
    const newer = await go({ entryPeers: [middle.multiaddr] })
    await exchangeAll([middle, await delegateOf(older), await delegateOf(newer, 1)])
  })

  it('ours joins a network of each and joins the two', { skip: WITHOUT_GO_NODE }, async () => {
    const older = await old()
    const newer = await go()
    const olderSecond = await old({ entryPeers: [older.multiaddr] })
    const newerSecond = await go({ entryPeers: [newer.multiaddr] })
    const middle = await ours({ entryPeers: [older.multiaddr, newer.multiaddr] })
    const agents = [older, olderSecond, newer, newerSecond].map((node, i) => delegateOf(node, i))
    await exchangeAll([middle, ...(await Promise.all(agents))])
  })

  it('relay clients of the older at ours', async () => {
    const relay = await ours()
    const node = await old({ entryPeers: [relay.multiaddr] })
    await exchangeAll([
      relay,
      await delegateOf(node),
      await oldClient(relay.multiaddr),
      await oldClient(relay.multiaddr),
    ])
  })

  it('relay clients of the older at two of ours', async () => {
    const first = await ours()
    const second = await ours({ entryPeers: [first.multiaddr] })
    await exchangeAll([first, second, await oldClient(first.multiaddr), await oldClient(second.multiaddr)])
  })

  it('relay clients of both generations at ours', { skip: WITHOUT_GO_NODE }, async () => {
    const relay = await ours()
    const other = await ours({ entryPeers: [relay.multiaddr] })
    const newer = await go({ entryPeers: [relay.multiaddr] })
    await exchangeAll([
      relay,
      other,
      await delegateOf(newer),
      await oldClient(relay.multiaddr),
      await newClient(relay.multiaddr),
      await oldClient(other.multiaddr),
      await newClient(other.multiaddr),
    ])
  })

  it('a relay client of the older at the older', async () => {
    const node = await old()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    await exchangeAll([peer, await delegateOf(node), await oldClient(node.multiaddr)])
  })

  it('what goes between relay clients of the older at ours is not limited to 128 KiB', async () => {
    const relay = await ours()
    const clients = [await oldClient(relay.multiaddr), await oldClient(relay.multiaddr)]
    for (let i = 0; i < 3; i++) await exchangeAll(clients, undefined, 60_000)
  })

  it('everybody', { skip: WITHOUT_GO_NODE }, async () => {
    const [older, newer] = [await old(), await go()]
    const first = await ours({ entryPeers: [older.multiaddr, newer.multiaddr] })
    const second = await ours({ entryPeers: [first.multiaddr] })
    const [olderAtOlder, newerAtNewer] = [await oldClient(older.multiaddr), await newClient(newer.multiaddr)]
    const [newerAtFirst, newerAtSecond] = [await newClient(first.multiaddr), await newClient(second.multiaddr)]
    const oursAtOlder = await ours({ entryPeers: [older.multiaddr], isClient: true })
    const parties: Party[] = [first, second, olderAtOlder, newerAtNewer, newerAtFirst, newerAtSecond, oursAtOlder]
    parties.push(await delegateOf(older), await delegateOf(newer))
    for (const { multiaddr } of [first, second]) {
      parties.push(await oldClient(multiaddr), await ours({ entryPeers: [multiaddr], isClient: true }))
    }
    parties.push(await ours({ entryPeers: [newer.multiaddr], isClient: true }))
    // It would call them through its own relay only, in v1, which they do not speak: docs/acn-conformance.md.
    const newerClients: Party[] = [newerAtNewer, newerAtFirst, newerAtSecond]
    const count = await exchangeAll(parties, (from, to) => from === olderAtOlder && newerClients.includes(to))
    assert.equal(count, 179)
    // By now those have called it, and there is a connection that it can use.
    assert.equal(await exchangeAll([olderAtOlder, ...newerClients]), 12)
  })

  it('our relay client at the older', async () => {
    const node = await old()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    const client = await ours({ entryPeers: [node.multiaddr], isClient: true })
    assert.equal(client.host.contact, node.key.peerId)
    const parties: Party[] = [peer, client, await delegateOf(node), await oldClient(node.multiaddr)]
    await exchangeAll(parties)
  })
})
