const DAY = /^(\d{4})-(\d{2})-(\d{2})$/

/**
 * Milliseconds since 1970 at which a day of a record (`YYYY-MM-DD`) begins in UTC; undefined when the text is no day.
 */
export function startOfDay(text: string): number | undefined {
  const match = DAY.exec(text)
  if (!match) return undefined
  const [, year, month, day] = match.map(Number)
  const time = Date.UTC(year ?? 0, (month ?? 0) - 1, day)
  // The calendar carries 31 February over to March.
  return new Date(time).toISOString().startsWith(text) ? time : undefined
}

/**
 * Whether a record's dates allow its use at `now` (milliseconds since 1970). An empty date sets no bound; one that is no
 * day allows nothing.
 */
export function isValidAt({ notBefore, notAfter }: { notBefore: string; notAfter: string }, now: number): boolean {
  const from = notBefore === '' ? Number.NEGATIVE_INFINITY : startOfDay(notBefore)
  const to = notAfter === '' ? Number.POSITIVE_INFINITY : startOfDay(notAfter)
  return from !== undefined && to !== undefined && from <= now && now <= to
}
