import { hostKind } from '@parley/smp/protocol'
import { InvalidArgumentError } from 'commander'

/** Reads a TCP port, 0 for any free one. */
export function portOption(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return port
}

/** Reads a comma-separated list without empty items. */
export function listOption(text: string): [string, ...string[]] {
  const [first, ...rest] = text.split(',').map((item) => item.trim())
  if (!first || rest.includes('')) throw new InvalidArgumentError('a comma-separated list without empty items')
  return [first, ...rest]
}

/** Reads a comma-separated list of domain names, IP addresses or onion services. */
export function hostsOption(text: string): [string, ...string[]] {
  const hosts = listOption(text)
  for (const host of hosts) {
    try {
      hostKind(host)
    } catch {
      throw new InvalidArgumentError(`${host} is neither a host name nor an IP address`)
    }
  }
  return hosts
}
