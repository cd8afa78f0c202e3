import { toHex } from '@parley/core/encoding'
import {
  type AuthKey,
  authorizedBytes,
  decodeBatch,
  decodeBrokerMessage,
  decodeCommand,
  type ReceivedCommand,
  type ReceivedMessage,
  type SessionContext,
  verifyAuthorization,
} from '@parley/smp/protocol'

/** Public keys of the queues of a session, learnt from its commands, to verify the authorisations of the others. */
export class SessionKeys {
  readonly #keys = new Map<string, readonly AuthKey[]>()
  readonly #created = new Map<string, readonly AuthKey[]>()
  readonly #senders = new Map<string, string>()
  readonly #securedByLink = new Map<string, readonly AuthKey[]>()

  /** Learns from the commands in a block's content, in the order in which they were given. */
  learnCommands(content: Uint8Array, session: SessionContext): void {
    for (const bytes of decodeBatch(content)) {
      const received = decodeCommand(bytes, session)
      if (received.ok) this.#learnCommand(received)
    }
  }

  /** Learns the ids of new queues from the answers in a block's content. */
  learnMessages(content: Uint8Array, session: SessionContext): void {
    for (const bytes of decodeBatch(content)) {
      const received = decodeBrokerMessage(bytes, session)
      if (received.ok) this.#learnMessage(received)
    }
  }

  #learnCommand({ message, corrId, entityId }: ReceivedCommand): void {
    switch (message.type) {
      case 'NEW':
        this.#created.set(toHex(corrId), [message.rcvAuthKey])
        break
      case 'RKEY':
        this.#keys.set(toHex(entityId), message.rcvAuthKeys)
        break
      case 'KEY':
        this.#keys.set(this.#senders.get(toHex(entityId)) ?? '', [message.sndAuthKey])
        break
      case 'SKEY':
        this.#keys.set(toHex(entityId), [message.sndAuthKey])
        break
      case 'LKEY':
        this.#securedByLink.set(toHex(corrId), [message.sndAuthKey])
        break
    }
  }

  #learnMessage({ message, corrId }: ReceivedMessage): void {
    const correlation = toHex(corrId)
    if (message.type === 'IDS') {
      const keys = this.#created.get(correlation)
      if (keys) this.#keys.set(toHex(message.rcvId), keys)
      this.#senders.set(toHex(message.rcvId), toHex(message.sndId))
    } else if (message.type === 'LNK') {
      const keys = this.#securedByLink.get(correlation)
      if (keys) this.#keys.set(toHex(message.sndId), keys)
    }
  }

  #keysOf({ message, entityId }: ReceivedCommand): readonly AuthKey[] {
    if (message.type === 'NEW') return [message.rcvAuthKey]
    if (message.type === 'SKEY' || message.type === 'LKEY') return [message.sndAuthKey]
    return this.#keys.get(toHex(entityId)) ?? []
  }

  /**
   * Whether the authorisation of a command is valid; undefined when that cannot be told: there is none, the key was
   * never shown, or it is an authenticator, for which the router's private key is needed.
   */
  verify(received: ReceivedCommand, session: SessionContext): boolean | undefined {
    const { authorization, body, corrId } = received
    const keys = this.#keysOf(received).filter(({ algorithm }) => algorithm !== 'x25519')
    if (!authorization || keys.length === 0) return undefined
    return verifyAuthorization(authorization, keys, { authorized: authorizedBytes(body, session), corrId })
  }
}
