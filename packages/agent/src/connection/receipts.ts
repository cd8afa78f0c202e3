import { equalBytes } from '@parley/core/encoding'
import { prohibited } from '../client-errors.ts'
import type { AgentConfig } from '../config.ts'
import type { Effects } from '../effects.ts'
import type { AgentEventOf, MsgReceipt } from '../events.ts'
import type { MessageReceipt } from '../protocol/index.ts'
import type { Db } from '../store/database.ts'
import { findSentMessage, setMessageState, setReceiptStatus } from '../store/snd-messages.ts'
import { recordSent } from './sent.ts'

type Receipts = readonly [MessageReceipt, ...MessageReceipt[]]

/**
 * Records what the peer says it received; each message counts once: `spec/agent.md §6`.
 * @returns false when none of the receipts is news, so that the application need not see them
 */
export function recordReceipts(
  db: Db,
  config: AgentConfig,
  connId: string,
  receipts: Receipts,
  effects: Effects,
): boolean {
  let news = false
  for (const { msgId: sndMsgId, msgHash } of receipts) {
    const sent = findSentMessage(db, connId, Number(sndMsgId))
    if (!sent) {
      effects.emit({ event: 'ERR', connId, error: prohibited('receipt for an unknown message') })
      continue
    }
    if (sent.receiptStatus === 'ok') continue
    const status = equalBytes(sent.hash, msgHash) ? 'ok' : 'badMsgHash'
    setReceiptStatus(db, connId, sent.msgId, status)
    news = true
    if (status !== 'ok') continue
    const { msgId } = sent
    const at = config.now()
    // The receipt is here before the router's answer to the message, or instead of it.
    recordSent(db, connId, msgId, at, effects)
    setMessageState(db, connId, msgId, { state: 'received', at })
    effects.emit({ event: 'STATUS', connId, msgId, state: 'received' })
  }
  return news
}

/** The event of recorded receipts. */
export function receiptsEvent(
  db: Db,
  base: Omit<AgentEventOf<'RCVD'>, 'event' | 'receipts'>,
  receipts: Receipts,
): AgentEventOf<'RCVD'> {
  const list = receipts.flatMap(({ msgId: sndMsgId }): MsgReceipt[] => {
    const sent = findSentMessage(db, base.connId, Number(sndMsgId))
    return sent?.receiptStatus ? [{ msgId: sent.msgId, status: sent.receiptStatus as MsgReceipt['status'] }] : []
  })
  return { event: 'RCVD', ...base, receipts: list as [MsgReceipt, ...MsgReceipt[]] }
}
