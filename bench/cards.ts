// `npm run bench -- cards [--times N]`: what it costs to look up an address in the open and in private. A network of six
// peers of one process on loopback: delays of a real network are to be multiplied, see the steps that are printed.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AcnHost } from '@parley/acn/peer'
import { AcnStatusError, parsePeerAddress, STATUS } from '@parley/acn/protocol'
import { LEDGERS, PeerKey } from '@parley/acn/record'
import { formatShortLink } from '@parley/agent/links'
import {
  encodeSignedCard,
  ledgerSigner,
  newContactCard,
  signCard,
  verifyCard,
} from '../packages/parley/src/card/index.ts'
import { CARD_PROTOCOL, CardDirectory, CardStore } from '../packages/parley/src/directory/index.ts'
import { openQuestion, sealQuestion } from '../packages/parley/src/directory/seal.ts'

const PEERS = 5

/** Prints medians of look-ups, and what one peer computes for them. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { times: { type: 'string', default: '50' } } })
  const times = Number(values.times)
  const { direct, hidden } = await lookupTimes(times)
  print('direct look-up', direct)
  print('private look-up', hidden)
  await costs(times)
}

/**
 * Makes the network and looks up fresh addresses both ways.
 * @returns milliseconds of each look-up: `hidden` are those that hide who asks
 */
export async function lookupTimes(times: number): Promise<Record<'direct' | 'hidden', number[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-bench-cards-'))
  const addresses = Array.from({ length: 2 * times }, newAgent)
  const home = await startPeer(folder, 'home', [])
  const peers = [home]
  try {
    while (peers.length <= PEERS) peers.push(await startPeer(folder, `peer ${peers.length}`, peers))
    for (const agent of addresses) {
      await home.directory.serveOwn(await cardOf(agent))
      await home.host.announce(agent.address)
    }
    const asker = peers.at(-1)
    if (!asker) throw new Error('no asker')
    while ((await Promise.all(peers.map(({ host }) => knows(asker.host, host)))).filter(Boolean).length < PEERS) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    const found: Record<'direct' | 'required', number[]> = { direct: [], required: [] }
    for (const privacy of ['direct', 'required'] as const) {
      for (const { address } of addresses.splice(0, times)) {
        const started = performance.now()
        if (!(await asker.directory.find(address, { privacy }))) throw new Error('not found')
        found[privacy].push(performance.now() - started)
      }
    }
    return { direct: found.direct, hidden: found.required }
  } finally {
    for (const { close } of peers) await close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function knows(from: AcnHost, to: AcnHost): Promise<boolean> {
  return (await from.speaks(to.peerId, CARD_PROTOCOL)) === true
}

/** What one peer computes. */
async function costs(times: number): Promise<void> {
  const key = new PeerKey(randomBytes(32))
  for (const ledger of LEDGERS) {
    const agent = newAgent(undefined, 0, ledger)
    const bytes = encodeSignedCard(await cardOf(agent))
    measure(`verify a card of ${ledger.ledgerId} (${bytes.length} bytes)`, times, () => {
      verifyCard(bytes, { expectedAddress: agent.address })
    })
  }
  const answer = randomBytes(1000)
  measure('seal and open a question and its answer', times, () => {
    const asked = sealQuestion(key.publicKey, randomBytes(50))
    asked.openAnswer(openQuestion(key, asked.sealed).sealAnswer(answer))
  })
}

function measure(name: string, times: number, work: () => void): void {
  const durations: number[] = []
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    work()
    durations.push(performance.now() - started)
  }
  print(name, durations)
}

function print(name: string, durations: readonly number[]): void {
  const sorted = durations.toSorted((a, b) => a - b)
  const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(1)
  process.stdout.write(`${name}: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, n = ${sorted.length}\n`)
}

type BenchAgent = ReturnType<typeof newAgent>

function newAgent(_?: unknown, _index = 0, ledger = LEDGERS[0]) {
  if (!ledger) throw new Error('no ledger')
  const privateKey = randomBytes(32)
  const publicKey = ledger.publicKeyOf(privateKey)
  return { ledgerId: ledger.ledgerId, privateKey, publicKey, address: ledger.addressOf(publicKey) ?? '' }
}

function cardOf({ ledgerId, privateKey, publicKey, address }: BenchAgent) {
  const contactLink = formatShortLink({
    mode: 'contact',
    scheme: 'simplex',
    contactType: 'contact',
    server: { hosts: ['smp.example.com'], port: '', keyHash: randomBytes(32) },
    linkKey: randomBytes(32),
  })
  const card = newContactCard({ ledgerId, address, publicKey, contactLink, channelKey: randomBytes(32) })
  return signCard(card, ledgerSigner(ledgerId, privateKey))
}

async function startPeer(folder: string, name: string, entries: readonly { readonly host: AcnHost }[]) {
  const key = new PeerKey(randomBytes(32))
  const unknown = () => {
    throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'no agents here')
  }
  const host = await AcnHost.start({
    key,
    listen: { host: '127.0.0.1', port: 0 },
    entryPeers: entries.map((entry) => {
      const { peerId = '', ...address } = parsePeerAddress(entry.host.multiaddr ?? '')
      return { ...address, peerId }
    }),
    handlers: { lookup: async () => undefined, receive: async () => unknown() },
  })
  const store = CardStore.open({ file: join(folder, `${name}.db`), limits: { served: 10_000, remembered: 10_000 } })
  const directory = await CardDirectory.start({ host, key, store, isRegistered: () => false })
  await host.join()
  const close = async () => {
    directory.stop()
    await host.stop()
    store.close()
  }
  return { host, directory, close }
}
