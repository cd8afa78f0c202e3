import type { ChannelSummary } from '../channel/index.ts'
import type { AcnStatus, NodeStatus, SmpStatus } from '../node/status.ts'

/** Channels that are shown to people. */
const SHOWN_CHANNELS = 20

/** A status for people: what the node is, where to connect, what it does. */
export function statusLines(status: NodeStatus): string[] {
  const { smp, acn, agent, identities } = status
  const process = status.pid === undefined ? '' : `, pid ${status.pid}, since ${status.startedAt}`
  return [
    line('Parley', `${status.version}, ${status.state}${process}`),
    line('data', status.data),
    line('configuration', status.config),
    ...smpLines(smp),
    ...(acn ? acnLines(acn) : [line('ACN peer', 'off')]),
    ...(agent ? [line('connections', `${agent.connected} open of ${agent.connections}`)] : []),
    line('private', privateText(status)),
    ...requestLines(status),
    ...channelLines(status),
    ...identities.map(({ name, ledger, address, used }) =>
      line('identity', `${name}, ${ledger} ${address}${used ? '' : ' (not used)'}`),
    ),
  ]
}

function smpLines({ address, servers, queues, messages, connections }: SmpStatus): string[] {
  const numbers =
    queues === undefined ? [] : [line('', `${queues} queues, ${messages} messages, ${connections} clients`)]
  const own = address === undefined ? [] : [line('SMP router', address), ...numbers]
  const lines = [...own, ...servers.map((server) => line('queues at', server))]
  return lines.length > 0 ? lines : [line('SMP router', 'address is known when it has run')]
}

function acnLines(acn: AcnStatus): string[] {
  const { entryPeers, connectedPeers, agents, waiting, notDelivered } = acn
  const joined =
    entryPeers.configured === 0 ? 'no entry peers' : `${entryPeers.connected} of ${entryPeers.configured} entry peers`
  const network = connectedPeers === undefined ? [] : [line('', `${connectedPeers} peers connected, ${joined}`)]
  const envelopes = [
    ...(agents === undefined ? [] : [`${agents} agents`]),
    ...(waiting === undefined ? [] : [`${waiting} envelopes wait`]),
    ...(notDelivered === undefined ? [] : [`${notDelivered} not delivered`]),
  ]
  const ports = [
    ['delegate port', acn.delegatePort],
    ['mailbox port', acn.mailboxPort],
    ['monitoring', acn.monitoringPort],
  ] as const
  return [
    line('ACN peer', acn.multiaddr ?? acn.peerId),
    ...network,
    ...(envelopes.length > 0 ? [line('', envelopes.join(', '))] : []),
    ...ports.flatMap(([name, port]) => (port === undefined ? [] : [line(name, `${port}`)])),
  ]
}

function privateText({ private: { mode, lookup, policy, allow } }: NodeStatus): string {
  if (mode === 'off') return 'off'
  const who = policy === 'allow' ? `${allow.length} addresses` : policy
  return `${mode}; look-up ${lookup}; open to ${who}`
}

function requestLines({ requests = 0 }: NodeStatus): string[] {
  if (requests === 0) return []
  return [line('requests', `${requests} ${requests === 1 ? 'waits' : 'wait'} for an answer: \`parley requests\``)]
}

/** Those with something to do first. */
function channelLines({ channels = [] }: NodeStatus): string[] {
  const work = ({ waiting, toTake }: ChannelSummary) => waiting + toTake
  const sorted = channels.toSorted((a, b) => work(b) - work(a))
  const lines = sorted.slice(0, SHOWN_CHANNELS).map(({ local, peer, state, waiting, toTake }) => {
    const counts = [...(waiting > 0 ? [`${waiting} wait`] : []), ...(toTake > 0 ? [`${toTake} to take`] : [])]
    return line('channel', `${local} with ${peer}: ${[state === 'none' ? 'closed' : state, ...counts].join(', ')}`)
  })
  const more = sorted.length - SHOWN_CHANNELS
  return more > 0 ? [...lines, line('', `and ${more} more (--json)`)] : lines
}

function line(name: string, text: string): string {
  return `${name.padEnd(14)}${text}`
}
