import { authKeyCodec, x25519KeyCodec } from '@parley/core/crypto'
import { type ByteReader, type ByteWriter, type Codec, EncodeError } from '@parley/core/encoding'
import type { NotifierRequest, QueueLinkData, QueueMode } from './types.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Fixed and user data of a short link, each Large: `spec/smp.md §3`. */
export const queueLinkDataCodec: Codec<QueueLinkData> = {
  encode(writer, { fixed, user }) {
    writer.large(fixed).large(user)
  },
  decode(reader) {
    return { fixed: reader.large(), user: reader.large() }
  },
}

/** `M` or `C`: `spec/smp.md §4`, IDS. */
export const queueModeCodec: Codec<QueueMode> = {
  encode(writer, mode) {
    writer.literal(mode === 'messaging' ? 'M' : 'C')
  },
  decode(reader) {
    const at = reader.offset
    const byte = reader.byte()
    if (byte === 0x4d) return 'messaging'
    if (byte === 0x43) return 'contact'
    return reader.fail('expected queue mode M or C', at)
  },
}

/** Keys of NKEY, and of NEW from version 17: `spec/smp.md §3`. */
export const notifierRequestCodec: Codec<NotifierRequest> = {
  encode(writer, { ntfKey, ntfDhKey }) {
    authKeyCodec.encode(writer, ntfKey)
    x25519KeyCodec.encode(writer, ntfDhKey)
  },
  decode(reader) {
    return { ntfKey: authKeyCodec.decode(reader), ntfDhKey: x25519KeyCodec.decode(reader) }
  },
}

/** A router's password may not hold what delimits it in an address, nor anything unprintable: `spec/smp.md §1`. */
function isPasswordByte(byte: number): boolean {
  const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
  return printable && byte !== 0x40 && byte !== 0x3a && byte !== 0x2f
}

/** True when the text can be the password of a router: printable, no space and none of `@ : /`, at most 255 bytes. */
export function isPassword(text: string): boolean {
  const bytes = Buffer.from(text, 'utf8')
  return bytes.length <= 255 && bytes.every(isPasswordByte)
}

/** Password that creates queues, UTF-8 in a short string. */
export const passwordCodec: Codec<string> = {
  encode(writer, password) {
    if (!isPassword(password)) throw new EncodeError('password has characters that are not allowed')
    writer.text(password)
  },
  decode(reader) {
    const at = reader.offset
    const bytes = reader.shortString()
    if (!bytes.every(isPasswordByte)) reader.fail('password has characters that are not allowed', at)
    try {
      return utf8.decode(bytes)
    } catch {
      return reader.fail('password is not valid UTF-8', at)
    }
  },
}

/** Writes a count and the DER certificates, each Large, leaf first. */
export function writeCertificates(writer: ByteWriter, certificates: readonly Uint8Array[]): void {
  writer.nonEmpty(certificates, (w, der) => w.large(der))
}

/** Reads what {@link writeCertificates} writes; no empty chains. */
export function readCertificates(reader: ByteReader): [Uint8Array, ...Uint8Array[]] {
  return reader.nonEmpty((r) => r.large())
}
