import { type ByteReader, type Codec, EncodeError } from '@parley/core/encoding'
import { readHost } from './host.ts'
import type { SmpServer } from './types.ts'

const PORT = /^(?:\d{1,5})?$/

/** True for decimal text up to 65535, and for `""`, the default port. */
export function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= 0xffff
}

function readBinaryHost(reader: ByteReader): string {
  const at = reader.offset
  const host = readHost(reader.text())
  return host ?? reader.fail('not a host', at)
}

function readPort(reader: ByteReader): string {
  const at = reader.offset
  const port = reader.text()
  return isPort(port) ? port : reader.fail('not a port', at)
}

function checkServer({ hosts, port }: SmpServer): void {
  if (!isPort(port)) throw new EncodeError('not a port')
  if (hosts.some((host) => readHost(host) === undefined)) throw new EncodeError('not a host')
}

/** Hosts, port and hash of the identity certificate: `spec/smp.md §1`, ProtocolServer. */
export const smpServerCodec: Codec<SmpServer> = {
  encode(writer, server) {
    checkServer(server)
    writer
      .nonEmpty(server.hosts, (w, host) => w.text(host))
      .text(server.port)
      .shortString(server.keyHash)
  },
  decode(reader) {
    return { hosts: reader.nonEmpty(readBinaryHost), port: readPort(reader), keyHash: reader.shortString() }
  },
}

/** The layout of queue addresses of client version 1, which holds the first host alone: `spec/agent.md §2.3`. */
export const legacySmpServerCodec: Codec<SmpServer> = {
  encode(writer, server) {
    checkServer(server)
    writer.text(server.hosts[0]).text(server.port).shortString(server.keyHash)
  },
  decode(reader) {
    return { hosts: [readBinaryHost(reader)], port: readPort(reader), keyHash: reader.shortString() }
  },
}
