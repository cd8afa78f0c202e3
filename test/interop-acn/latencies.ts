import type { Passage } from './python-agents.ts'

/** Of passages, for people; to mailboxes apart from the rest: their agents ask every two seconds. */
export function latencies(passages: readonly Passage[]): string {
  const [pushed = [], polled = []] = [false, true].map((mailbox) =>
    passages.filter(({ to }) => to.startsWith('mailbox') === mailbox).map(({ ms = 0 }) => ms),
  )
  return quantiles(pushed) + (polled.length > 0 ? `; to mailboxes ${quantiles(polled)}` : '')
}

function quantiles(milliseconds: readonly number[]): string {
  const sorted = [...milliseconds].sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)} ms`
}
