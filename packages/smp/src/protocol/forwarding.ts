import { x25519KeyCodec } from '@parley/core/crypto'
import type { Codec } from '@parley/core/encoding'
import type { DhKey } from './types.ts'

/** What the box of RFWD holds: `spec/smp.md §6`, 4. */
export interface ForwardedTransmission {
  /** 24 bytes, the client's; also the nonce of its box. */
  readonly corrId: Uint8Array
  readonly version: number
  readonly commandKey: DhKey
  /** The client's box for the relay. */
  readonly encrypted: Uint8Array
}

/** Layout of {@link ForwardedTransmission}; the box is a view of the input. */
export const forwardedTransmissionCodec: Codec<ForwardedTransmission> = {
  encode(writer, { corrId, version, commandKey, encrypted }) {
    x25519KeyCodec.encode(writer.shortString(corrId).word16(version), commandKey)
    writer.bytes(encrypted)
  },
  decode(reader) {
    return {
      corrId: reader.shortString(),
      version: reader.word16(),
      commandKey: x25519KeyCodec.decode(reader),
      encrypted: reader.tail(),
    }
  },
}

/** What the box of RRES holds: `spec/smp.md §6`, 5. */
export interface ForwardedResponse {
  readonly corrId: Uint8Array
  /** The relay's box for the client. */
  readonly encrypted: Uint8Array
}

/** Layout of {@link ForwardedResponse}; the box is a view of the input. */
export const forwardedResponseCodec: Codec<ForwardedResponse> = {
  encode(writer, { corrId, encrypted }) {
    writer.shortString(corrId).bytes(encrypted)
  },
  decode(reader) {
    return { corrId: reader.shortString(), encrypted: reader.tail() }
  },
}
