import { connect, createServer, type Socket } from 'node:net'

/** What a client asked of the proxy. */
export interface SocksRequest {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly host: string
  readonly port: number
}

/**
 * A SOCKS5 proxy (RFC 1928, 1929) that connects every request to `target` on loopback, whatever host it names,
 * or refuses it.
 */
export async function startSocksProxy(target: number | 'refuse') {
  const requests: SocksRequest[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    const take = reader(socket)
    void (async () => {
      const [, methodCount = 0] = await take(2)
      const withPassword = (await take(methodCount)).includes(2)
      socket.write(Uint8Array.of(5, withPassword ? 2 : 0))
      const credentials = withPassword ? await takeCredentials(take) : undefined
      if (credentials) socket.write(Uint8Array.of(1, 0))
      const [, , , kind] = await take(4)
      const host = kind === 3 ? (await take((await take(1))[0] ?? 0)).toString() : [...(await take(4))].join('.')
      const port = (await take(2)).readUInt16BE()
      requests.push({ username: credentials?.username, password: credentials?.password, host, port })
      if (target === 'refuse') {
        socket.end(Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0))
        return
      }
      const upstream = connect(target, '127.0.0.1', () => {
        socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        socket.pipe(upstream).pipe(socket)
      })
      sockets.add(upstream)
      upstream.on('error', () => socket.destroy()).on('close', () => sockets.delete(upstream))
    })()
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const address = server.address()
  return {
    requests,
    port: typeof address === 'object' && address ? address.port : 0,
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      for (const socket of sockets) socket.destroy()
      await closed.promise
    },
  }
}

type Take = (length: number) => Promise<Buffer>

async function takeCredentials(take: Take) {
  const [, length = 0] = await take(2)
  const username = (await take(length)).toString()
  const password = (await take((await take(1))[0] ?? 0)).toString()
  return { username, password }
}

function reader(socket: Socket): Take {
  return async (length) => {
    if (length === 0) return Buffer.alloc(0)
    for (;;) {
      const bytes = socket.read(length) as Buffer | null
      if (bytes) return bytes
      const { promise, resolve } = Promise.withResolvers<void>()
      socket.once('readable', resolve)
      await promise
    }
  }
}
