import { DecodeError } from '@parley/core/encoding'

/** What a name names: a public group (`#`) or a contact (`@`). */
export type SimplexNameType = 'publicGroup' | 'contact'

/** A name of the network: `spec/agent.md §2.5`. It is only read here; nothing resolves it yet. */
export interface SimplexName {
  readonly nameType: SimplexNameType
  /** The network's own names, names for tests, or a domain of the web. */
  readonly tld: 'simplex' | 'testing' | 'web'
  /** The name, for the web with all its labels. */
  readonly domain: string
  /** Labels before the name, nearest first: `b`, `a` for `a.b.name.simplex`. */
  readonly subDomain: readonly string[]
}

const SCHEME = 'simplex:/name'
// Letters of any script but accented Latin ones, which look too much like each other.
const LABEL = /^(?:(?![\u00c0-\u024f])[\p{L}0-9])+(?:-(?:(?![\u00c0-\u024f])[\p{L}0-9])+)*$/u

/**
 * Reads `[simplex:/name][#|@]domain`; without a sign it is a group. A group of the network may leave out `.simplex`.
 * @throws DecodeError
 */
export function parseSimplexName(text: string): SimplexName {
  const start = text.startsWith(SCHEME) ? SCHEME.length : 0
  const sign = text.charAt(start)
  const nameType = sign === '@' ? 'contact' : 'publicGroup'
  const domainAt = sign === '#' || sign === '@' ? start + 1 : start
  return { nameType, ...parseDomain(text.slice(domainAt), nameType, domainAt) }
}

function parseDomain(text: string, nameType: SimplexNameType, offset: number): Omit<SimplexName, 'nameType'> {
  const labels = text.split('.')
  if (!labels.every((label) => LABEL.test(label))) throw new DecodeError('not a name', offset)
  const [last, name, ...subDomain] = labels.toReversed()
  if (name === undefined) {
    if (nameType === 'contact') throw new DecodeError('name without a domain', offset)
    return { tld: 'simplex', domain: text, subDomain: [] }
  }
  if (last === 'simplex' || last === 'testing') return { tld: last, domain: name, subDomain }
  return { tld: 'web', domain: text, subDomain: [] }
}

/** The whole form, with scheme, sign and domain. */
export function formatSimplexName({ nameType, tld, domain, subDomain }: SimplexName): string {
  const labels = [...subDomain.toReversed(), domain, ...(tld === 'web' ? [] : [tld])]
  return `${SCHEME}${nameType === 'contact' ? '@' : '#'}${labels.join('.')}`
}
