import { NetworkError } from './errors.ts'

/** Which of a server's hosts to connect to: `spec/smp.md §9`, host choice. */
export type HostMode =
  /** onion hosts when there is a SOCKS proxy, else public ones */
  | 'onionViaSocks'
  /** onion hosts */
  | 'onion'
  /** public hosts */
  | 'public'

/** When a configured SOCKS proxy is used: for every host, or only for onion hosts (routers that relay). */
export type SocksMode = 'always' | 'onion'

export interface HostChoice {
  /** Default `onionViaSocks`. */
  readonly hostMode?: HostMode | undefined
  /** Fail when no host is of the wanted kind, instead of taking the first. Default false. */
  readonly requiredHostMode?: boolean | undefined
  /** Whether a SOCKS proxy is configured. */
  readonly viaSocks: boolean
}

/** True for Tor onion services. */
export function isOnionHost(host: string): boolean {
  return host.endsWith('.onion')
}

/**
 * The host to connect to: `spec/smp.md §9`.
 * @throws NetworkError HOST when `requiredHostMode` is set and no host is of the wanted kind
 */
export function chooseHost(
  hosts: readonly [string, ...string[]],
  { hostMode = 'onionViaSocks', requiredHostMode = false, viaSocks }: HostChoice,
): string {
  const onion = hostMode === 'onion' || (hostMode === 'onionViaSocks' && viaSocks)
  const host = hosts.find((candidate) => isOnionHost(candidate) === onion)
  if (host !== undefined) return host
  if (requiredHostMode) throw new NetworkError('HOST', `server has no ${onion ? 'onion' : 'public'} host`)
  return hosts[0]
}

/** Whether the connection to `host` goes through the configured SOCKS proxy. */
export function usesSocks(host: string, mode: SocksMode = 'always'): boolean {
  return mode === 'always' || isOnionHost(host)
}
