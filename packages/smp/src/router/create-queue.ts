import { createHash, timingSafeEqual } from 'node:crypto'
import { CryptoError, dh, PrivateKey, sha3_384 } from '@parley/core/crypto'
import { equalBytes } from '@parley/core/encoding'
import type { BrokerMessage, Command, EntityId } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import { copyKey, copyLink } from './queue-changes.ts'
import { ID_LENGTH, randomId } from './random-ids.ts'
import { AUTH, INTERNAL, PROHIBITED, type RouterContext } from './router-context.ts'
import type { QueueRecord, StoredLink } from './store.ts'

const ATTEMPTS = 3
const MILLISECONDS_A_DAY = 86_400_000

type New = Command & { readonly type: 'NEW' }

/**
 * NEW: `spec/smp.md §5.1`. The queue comes with the answer when it is to be subscribed; otherwise it is read from the
 * store when it is first used, so that queues that wait for that take no memory.
 */
export async function createQueue(
  context: RouterContext,
  command: New,
  corrId: Uint8Array,
): Promise<{ answer: BrokerMessage; queue?: LiveQueue }> {
  if (!isAllowed(context, command.password)) return { answer: AUTH }
  const { queueRequest, rcvAuthKey, rcvDhKey } = command
  const chosen = queueRequest?.data
  // Otherwise a client could find out whether an id is in use by asking for it.
  if (chosen && !equalBytes(chosen.senderId, senderIdOf(corrId))) return { answer: PROHIBITED }
  const serverKey = PrivateKey.generate('x25519')
  let rcvDhSecret: Uint8Array
  try {
    rcvDhSecret = Uint8Array.from(dh(serverKey, rcvDhKey))
  } catch (error) {
    if (error instanceof CryptoError) return { answer: { type: 'ERR', error: { type: 'CRYPTO' } } }
    throw error
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const link = requestedLink(command)
    const record: QueueRecord = {
      rcvId: randomId(),
      sndId: chosen ? Uint8Array.from(chosen.senderId) : randomId(),
      rcvKeys: [copyKey(rcvAuthKey)],
      rcvDhSecret,
      status: { type: 'active' },
      updatedDay: Math.floor(context.now() / MILLISECONDS_A_DAY),
      ...(queueRequest && { mode: queueRequest.mode }),
      ...(link && { linkId: link.linkId }),
    }
    const number = await context.store.addQueue(record, link)
    if (number !== undefined) {
      const answer = ids(record, serverKey)
      return command.subscribe ? { answer, queue: context.queues.add({ number, record, messages: [] }) } : { answer }
    }
    if (chosen) return { answer: AUTH }
  }
  return { answer: INTERNAL }
}

/** The sender id that a client may ask for: the first 24 bytes of SHA3-384 of the command's corrId: `spec/smp.md §0 S4`. */
export function senderIdOf(corrId: Uint8Array): EntityId {
  return sha3_384(corrId).subarray(0, ID_LENGTH)
}

function isAllowed({ rules }: RouterContext, given: string | undefined): boolean {
  if (!rules.newQueues) return false
  if (rules.password === undefined) return true
  // Digests, so that neither length nor content shows in the time it takes.
  return given !== undefined && timingSafeEqual(digest(given), digest(rules.password))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** For a one-time link the router chooses the id, for a contact address the client. */
function requestedLink({ queueRequest }: New): StoredLink | undefined {
  if (!queueRequest?.data) return undefined
  if (queueRequest.mode === 'messaging') return copyLink(randomId(), queueRequest.data.link)
  return copyLink(queueRequest.data.linkId, queueRequest.data.link)
}

function ids({ rcvId, sndId, mode, linkId }: QueueRecord, serverKey: PrivateKey<'x25519'>): BrokerMessage {
  return {
    type: 'IDS',
    rcvId,
    sndId,
    rcvPublicDhKey: serverKey.publicKey,
    ...(mode && { queueMode: mode }),
    ...(linkId && { linkId }),
  }
}
