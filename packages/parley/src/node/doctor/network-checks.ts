import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { HostPort } from '@parley/acn/protocol'
import { SmpClient } from '@parley/smp/client'
import { parseSmpServer } from '@parley/smp/protocol'
import type { ParleySettings } from '../settings.ts'
import type { NodeStatus } from '../status.ts'
import { type CheckResult, codeOf, failed, ok, warning } from './check.ts'

const TIMEOUT = 5_000

/** A service of the node: where it listens. */
interface Service {
  readonly name: string
  readonly at: HostPort
  /** The key of the configuration. */
  readonly key: string
}

/** The ports of a node that does not run can be opened; those of a running one answer. */
export function checkPorts(settings: ParleySettings, running: NodeStatus | undefined): Promise<CheckResult[]> {
  return Promise.all(
    servicesOf(settings, running).map((service) => (running ? checkAnswers(service) : checkFree(service))),
  )
}

/** The peers through which the node joins, and the routers on which it makes queues, can be reached. */
export async function checkOthers(settings: ParleySettings, running: NodeStatus | undefined): Promise<CheckResult[]> {
  const entries = settings.acn?.settings.entryPeers ?? []
  const routers = [...new Set([...settings.smp.servers, ...(running?.smp.address ? [running.smp.address] : [])])]
  return Promise.all([...entries.map(checkEntry), ...routers.map(checkRouter), ...announced(settings, running)])
}

function servicesOf({ smp, acn }: ParleySettings, running: NodeStatus | undefined): Service[] {
  const services: Service[] = []
  const add = (name: string, key: string, at: HostPort | undefined, port = at?.port) => {
    // A port that the system chooses is free by itself; of a running node it is not in the configuration.
    if (at && port) services.push({ name, key, at: { host: at.host, port } })
  }
  add('SMP port', 'smp.listen', smp.router?.listen)
  const settings = acn?.settings
  if (!settings) return services
  add('ACN port', 'acn.listen', settings.listen)
  const delegate = settings.delegate && { host: settings.listen.host, port: settings.delegate.port }
  add('delegate port', 'acn.delegate', delegate, delegate && (running?.acn?.delegatePort ?? delegate.port))
  add('mailbox port', 'acn.mailbox', settings.mailbox, running?.acn?.mailboxPort ?? settings.mailbox?.port)
  add(
    'monitoring port',
    'acn.monitoring',
    settings.monitoring,
    running?.acn?.monitoringPort ?? settings.monitoring?.port,
  )
  return services
}

async function checkFree({ name, at, key }: Service): Promise<CheckResult> {
  const server = createServer()
  try {
    server.listen(at.port, at.host)
    await once(server, 'listening')
    return ok(name, `${textOf(at)} is free`)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EADDRINUSE') {
      return failed(name, `${textOf(at)} is taken`, `stop the program that has it, or change ${key}`)
    }
    if (code === 'EACCES') return failed(name, `${textOf(at)} is not allowed`, `choose a port above 1023 for ${key}`)
    return failed(name, `${textOf(at)}: ${code}`, `${key} must be an address of this machine`)
  } finally {
    server.close()
  }
}

async function checkAnswers({ name, at }: Service): Promise<CheckResult> {
  // Who listens on all addresses is asked on this machine's own.
  const host = at.host === '0.0.0.0' ? '127.0.0.1' : at.host === '::' ? '::1' : at.host
  const problem = await reach({ host, port: at.port })
  if (problem === undefined) return ok(name, `${textOf(at)} answers`)
  return failed(
    name,
    `${textOf(at)}: ${problem}`,
    'the node runs but does not answer there: see its log, start it again',
  )
}

async function checkEntry({ host, port, peerId }: HostPort & { readonly peerId: string }): Promise<CheckResult> {
  const problem = await reach({ host, port })
  const name = 'entry peer'
  const short = `${textOf({ host, port })} (…${peerId.slice(-6)})`
  if (problem === undefined) return ok(name, `${short} can be reached`)
  return warning(name, `${short}: ${problem}`, 'see that it runs and that no firewall is between; the node tries again')
}

async function checkRouter(address: string): Promise<CheckResult> {
  const name = 'SMP router'
  const { server } = parseSmpServer(address)
  const shown = `${server.hosts[0]}${server.port && `:${server.port}`}`
  try {
    const client = await SmpClient.connect(server, { signal: AbortSignal.timeout(TIMEOUT * 2), mode: 'interactive' })
    client.close()
    return ok(name, `${shown} answers and is the one that its address names`)
  } catch (error) {
    const advice = 'see that it runs, that its address is right, and that no firewall is between'
    return failed(name, `${shown}: ${codeOf(error)}`, advice)
  }
}

/** What is announced leads to this node, as far as that can be seen from here. */
function announced({ acn }: ParleySettings, running: NodeStatus | undefined): Promise<CheckResult>[] {
  const settings = acn?.settings
  if (!running || !settings?.publicUri || settings.publicUri.port === 0) return []
  const { publicUri: at } = settings
  const check = async () => {
    const problem = await reach(at)
    if (problem === undefined) return ok('announced address', `${textOf(at)} can be reached from here`)
    const advice = 'others may reach it where this machine cannot: try from outside, look at name and firewall'
    return warning('announced address', `${textOf(at)}: ${problem}`, advice)
  }
  return [check()]
}

/** Connects over TCP; gives what went wrong. */
async function reach({ host, port }: HostPort): Promise<string | undefined> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(TIMEOUT) })
    return undefined
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'no answer' : codeOf(error)
  } finally {
    socket.destroy()
  }
}

function textOf({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
