import { type ChannelContext, pairKey } from './context.ts'
import { Link, Pair } from './pair.ts'
import { countInbox } from './store/inbox.ts'
import { listLinks } from './store/links.ts'
import { countOutbox, hasUnplaced } from './store/outbox.ts'
import { listPairs } from './store/pairs.ts'

/**
 * Brings pairs and links to what is stored: when channels are opened, and when a transaction has failed that had changed
 * them. Objects that are there stay.
 * @returns pairs that are not stored and are forgotten
 */
export function loadPairs({ db, pairs, links, now }: Pick<ChannelContext, 'db' | 'pairs' | 'links' | 'now'>): Pair[] {
  const byId = new Map<number, Pair>()
  for (const record of listPairs(db)) {
    const { pairId, local, peer } = record
    const key = pairKey(local, peer)
    const pair = pairs.get(key) ?? new Pair(record, now())
    Object.assign(pair.record, record)
    pair.waiting = countOutbox(db, pairId)
    pair.hasUnplaced = hasUnplaced(db, pairId)
    pair.toTake = countInbox(db, pairId)
    pair.active = undefined
    pairs.set(key, pair)
    byId.set(pairId, pair)
  }
  const unknown = [...pairs].filter(([, pair]) => byId.get(pair.record.pairId) !== pair)
  for (const [key] of unknown) pairs.delete(key)
  loadLinks({ db, links }, byId)
  return unknown.map(([, pair]) => pair)
}

function loadLinks({ db, links }: Pick<ChannelContext, 'db' | 'links'>, byId: ReadonlyMap<number, Pair>): void {
  const stored = listLinks(db)
  const known = new Set(stored.map(({ connId }) => connId))
  for (const [connId, link] of links) {
    if (known.has(connId)) continue
    links.delete(connId)
    link.pair.links.delete(link)
  }
  for (const record of stored) {
    const pair = byId.get(record.pairId)
    if (!pair) continue
    const link = links.get(record.connId) ?? new Link(record, pair)
    Object.assign(link.record, record)
    links.set(record.connId, link)
    pair.links.add(link)
    if (record.state === 'open' && (pair.active?.record.openedAt ?? 0) <= (record.openedAt ?? 0)) pair.active = link
  }
}
