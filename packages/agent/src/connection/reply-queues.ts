import { type Codec, decode, encode } from '@parley/core/encoding'
import { type SmpQueueInfo, smpQueueInfoCodec } from '../links/index.ts'

type ReplyQueues = readonly [SmpQueueInfo, ...SmpQueueInfo[]]

const replyQueuesCodec: Codec<ReplyQueues> = {
  encode(writer, queues) {
    writer.nonEmpty(queues, smpQueueInfoCodec.encode)
  },
  decode(reader) {
    return reader.nonEmpty(smpQueueInfoCodec.decode)
  },
}

/** How the queues of a confirmation are stored until the application has answered. */
export function encodeReplyQueues(queues: ReplyQueues): Uint8Array {
  return encode(replyQueuesCodec, queues)
}

/** Reads {@link encodeReplyQueues}. */
export function decodeReplyQueues(bytes: Uint8Array): ReplyQueues {
  return decode(replyQueuesCodec, bytes)
}
