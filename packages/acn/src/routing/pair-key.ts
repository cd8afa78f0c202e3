/** Names a pair. Addresses are texts of others: none of them makes two pairs one. */
export function pairKey(to: string, sender: string): string {
  return `${to.length}:${to}${sender}`
}

/** Names an envelope of a pair. */
export function envelopeKey(to: string, sender: string, id: string): string {
  return `${pairKey(to, sender)} ${id}`
}
