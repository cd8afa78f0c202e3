import { decodeEnvelope, STATUS, type StatusBody } from '@parley/acn/protocol'
import { MemoryNode } from '../../packages/acn/test/entrance/memory-node.ts'

/** Every status that is an error. */
export const ERRORS: readonly number[] = Object.values(STATUS).filter((code) => code !== STATUS.SUCCESS)

/** Agents of any program are told of every error. */
export const TELLING_ALL = { direct: new Set(ERRORS), delegate: new Set(ERRORS), mailbox: new Set(ERRORS) }

/** Answers an envelope whose content has `refuse 21` in it with that code, and delivers the others. */
export class RefusingNode extends MemoryNode {
  override async onEnvelope(submission: Parameters<MemoryNode['onEnvelope']>[0]): Promise<StatusBody> {
    const { message } = decodeEnvelope(submission.bytes)
    const code = /refuse (\d+)/.exec(Buffer.from(message).toString('latin1'))?.[1]
    return code === undefined ? super.onEnvelope(submission) : { code: Number(code), msgs: ['refused by the test'] }
  }
}
