import type { AddressInfo, Server } from 'node:net'
import { AcnConnectionError } from './connection-error.ts'

/** Length of the kernel's queue of connections to accept. */
const BACKLOG = 1024

/**
 * Makes a server listen.
 * @param port 0 for any free one
 * @throws AcnConnectionError CONNECT when the port cannot be opened
 */
export function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  const fail = (cause: Error) => reject(new AcnConnectionError('CONNECT', `cannot listen: ${cause.message}`, { cause }))
  server.once('error', fail)
  server.listen({ host, port, backlog: BACKLOG }, () => {
    server.off('error', fail)
    resolve(server.address() as AddressInfo)
  })
  return promise
}
