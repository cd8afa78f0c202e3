import { toHex } from '@parley/core/encoding'
import { encodeSignedCard } from '../card/index.ts'
import type { ChannelRequestSummary } from '../channel/index.ts'
import { DirectoryError, type FoundWay } from '../directory/index.ts'
import { ContactError, type ContactErrorCode } from '../gateway/contact-error.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { ControlHandlers } from './control-socket.ts'

/** What became of an answer to a request for a channel. */
export type RequestAnswered =
  | { readonly outcome: 'answered'; readonly local: string; readonly peer: string }
  /** Nothing goes in private at this node. */
  | { readonly outcome: 'off' }
  /** No request of this address waits. */
  | { readonly outcome: 'none' }
  /** It has asked several agents of this node: one has to be named. */
  | { readonly outcome: 'several'; readonly locals: readonly string[] }

/** What became of a look-up. */
export type CardFound =
  /** `card`: the signed card in hexadecimal, with its attachment where that was found. */
  | { readonly outcome: 'found'; readonly card: string; readonly way: FoundWay }
  | { readonly outcome: 'off' | 'none' }
  | { readonly outcome: 'failed'; readonly reason: string }

/** What became of the renewal of a contact. */
export type ContactRenewed =
  /** `card`: the new signed card in hexadecimal. */
  | { readonly outcome: 'renewed'; readonly card: string }
  | { readonly outcome: 'off' }
  | { readonly outcome: 'failed'; readonly code: ContactErrorCode | 'LATE'; readonly reason: string }

/** How long the router may take to make a contact address, ms. */
const RENEWAL_TIME = 30_000

/** What a running node tells of its private plane; null where nothing goes in private. */
export function privateHandlers(gateway: Gateway | undefined): ControlHandlers {
  return {
    requests: async (): Promise<ChannelRequestSummary[] | undefined> => gateway?.channels.requests(),
    card: (query) => findCard(gateway, query.get('address') ?? ''),
  }
}

/** What a running node does in its private plane when it is told to. */
export function privateActions(gateway: Gateway | undefined): ControlHandlers {
  return {
    'answer-request': (query) => answerRequest(gateway, query),
    'renew-contact': (query) => renewContact(gateway, query.get('address') ?? ''),
  }
}

/** `peer` has asked, `local` is needed when it has asked several; `answer` is `accept` or `refuse`. */
async function answerRequest(gateway: Gateway | undefined, query: URLSearchParams): Promise<RequestAnswered> {
  if (!gateway) return { outcome: 'off' }
  const { channels } = gateway
  const [peer, named, answer] = ['peer', 'local', 'answer'].map((name) => query.get(name))
  if (answer !== 'accept' && answer !== 'refuse') throw new RangeError('answer must be accept or refuse')
  const asked = channels
    .requests()
    .filter((request) => request.peer === peer && (named === null || request.local === named))
  const [first, second] = asked
  if (!first) return { outcome: 'none' }
  if (second) return { outcome: 'several', locals: asked.map(({ local }) => local) }
  const isAnswered = await channels.answerRequest(first.local, first.peer, answer)
  return isAnswered ? { outcome: 'answered', local: first.local, peer: first.peer } : { outcome: 'none' }
}

async function renewContact(gateway: Gateway | undefined, address: string): Promise<ContactRenewed> {
  if (!gateway) return { outcome: 'off' }
  const time = AbortSignal.timeout(RENEWAL_TIME)
  try {
    const signed = await gateway.renewContact(address, time)
    return { outcome: 'renewed', card: toHex(encodeSignedCard(signed)) }
  } catch (error) {
    if (error instanceof ContactError) return { outcome: 'failed', code: error.code, reason: error.message }
    if (time.aborted) return { outcome: 'failed', code: 'LATE', reason: 'the router did not answer in time' }
    throw error
  }
}

async function findCard(gateway: Gateway | undefined, address: string): Promise<CardFound> {
  if (!gateway) return { outcome: 'off' }
  try {
    const found = await gateway.find(address)
    if (!found) return { outcome: 'none' }
    return { outcome: 'found', card: toHex(encodeSignedCard(found.card.signed)), way: found.way }
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error
    return { outcome: 'failed', reason: error.message }
  }
}
