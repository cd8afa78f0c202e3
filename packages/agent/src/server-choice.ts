import { randomInt } from 'node:crypto'
import type { SmpServer, SmpServerWithAuth } from '@parley/smp/protocol'

/**
 * The router for a new queue: one whose hosts are not used yet, so that the two directions of a connection take
 * different ways, otherwise any: `spec/agent.md §15`, server choice.
 * @param used routers of the connection's other queues
 */
export function chooseServer(
  servers: readonly [SmpServerWithAuth, ...SmpServerWithAuth[]],
  used: readonly SmpServer[] = [],
): SmpServerWithAuth {
  const usedHosts = new Set(used.flatMap(({ hosts }) => hosts))
  const unused = servers.filter(({ server }) => !server.hosts.some((host) => usedHosts.has(host)))
  const candidates = unused.length > 0 ? unused : servers
  return candidates[randomInt(candidates.length)] ?? servers[0]
}
