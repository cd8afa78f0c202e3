import type { Agent } from '@parley/agent'
import { type JsonFields, toJson } from './json-values.ts'
import type { Fields } from './request.ts'

/** Runs one command of the API and gives its result as JSON. */
type JsonCommand = (agent: Agent, fields: Fields, signal: AbortSignal) => Promise<JsonFields> | JsonFields

const DONE: JsonFields = {}

/** Every command by its name: `docs/jsonl.md`, commands. */
export const COMMANDS: Readonly<Record<string, JsonCommand>> = {
  async createConnection(agent, fields, signal) {
    const mode = fields.oneOf('mode', 'invitation', 'contact')
    return fieldsOf(await agent.createConnection({ mode, pq: fields.flag('pq') ?? true, signal }))
  },
  async joinConnection(agent, fields, signal) {
    const options = { link: fields.text('link'), info: fields.info('info'), pq: fields.flag('pq') ?? true, signal }
    const { connId } = await agent.joinConnection(options)
    return { connId }
  },
  async allowConnection(agent, fields, signal) {
    await agent.allowConnection(fields.text('connId'), fields.text('confId'), fields.info('info'), { signal })
    return DONE
  },
  async acceptContact(agent, fields, signal) {
    const options = { info: fields.info('info'), pq: fields.flag('pq') ?? true, signal }
    const { connId } = await agent.acceptContact(fields.text('invId'), options)
    return { connId }
  },
  async rejectContact(agent, fields, signal) {
    await agent.rejectContact(fields.text('invId'), { signal })
    return DONE
  },
  async sendMessage(agent, fields, signal) {
    const { msgId } = await agent.sendMessage(fields.text('connId'), fields.messageBody(), {
      pq: fields.flag('pq'),
      signal,
    })
    return { msgId }
  },
  async ackMessage(agent, fields, signal) {
    const receipt = fields.flag('receipt') ?? false
    await agent.ackMessage(fields.text('connId'), fields.msgId('msgId'), { receipt, signal })
    return DONE
  },
  async messageStatus(agent, fields, signal) {
    return fieldsOf(await agent.messageStatus(fields.text('connId'), fields.msgId('msgId'), { signal }))
  },
  async subscribeConnections(agent, _fields, signal) {
    const failures = await agent.subscribeConnections(undefined, { signal })
    return { errors: [...failures].map(([connId, error]) => ({ connId, error: toJson(error) })) }
  },
  async listConnections(agent, _fields, signal) {
    return { connections: toJson(await agent.listConnections({ signal })) }
  },
  async suspendConnection(agent, fields, signal) {
    await agent.suspendConnection(fields.text('connId'), { signal })
    return DONE
  },
  async deleteConnection(agent, fields, signal) {
    await agent.deleteConnection(fields.text('connId'), { signal })
    return DONE
  },
  // The session ends after the answer.
  stop: () => DONE,
}

function fieldsOf(value: object): JsonFields {
  return toJson(value) as JsonFields
}
