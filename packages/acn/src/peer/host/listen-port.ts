import { once } from 'node:events'
import { createServer } from 'node:net'
import type { HostPort } from '../../protocol/index.ts'

/**
 * Sees that a peer can listen where it should, and on which port when that is 0: the port must be known before libp2p
 * starts, since it is announced.
 * @throws the system's error, such as EADDRINUSE
 */
export async function findListenPort({ host, port }: HostPort): Promise<HostPort> {
  const server = createServer()
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return { host, port: typeof address === 'object' && address ? address.port : port }
}
