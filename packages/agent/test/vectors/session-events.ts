import assert from 'node:assert/strict'
import { formatConnectionLink, parseConnectionLink } from '@parley/agent/links'
import type { AgentMessage } from '@parley/agent/protocol'
import { fromBase64url } from '@parley/core/encoding'
import { formatSmpServer, parseSmpServer } from '@parley/smp/protocol'
import {
  expectKeys,
  fromHex,
  isObject,
  type JsonObject,
  number,
  object,
  sameBytes,
  text,
} from '../../../core/test/vectors/vector-file.ts'

/** By party, in order. */
export type DecryptedMessages = ReadonlyMap<string, readonly AgentMessage[]>

/** Fields of events: what each must look like. */
const FIELDS: Readonly<Record<string, (value: unknown, all: JsonObject) => void>> = {
  connId: id,
  confId: id,
  invId: id,
  entityId: id,
  brokerId: (value) => assert.equal(fromBase64url(String(value)).length, 24),
  link,
  fullLink: link,
  shortLink: (value) => value === null || link(value),
  event: (value) => assert.match(String(value), /^[A-Z_]+$/),
  info: (value, all) => typeof value === 'string' && 'infoHex' in all && sameText(value, all.infoHex),
  infoHex: (value) => void fromHex(String(value)),
  body: (value, all) => 'bodyHex' in all && sameText(value, all.bodyHex),
  bodyHex: (value) => void fromHex(String(value)),
  userDataHex: (value) => void fromHex(String(value)),
  pq: flag,
  sndSecured: flag,
  notification: flag,
  clientServiceId: (value) => assert.ok(value === null || typeof value === 'string'),
  servers: (value) => list(value).forEach(server),
  integrity: (value) => assert.match(text(object(value), 'type'), /^msg(Ok|Error)$/),
  msgId: count,
  sndMsgId: count,
  brokerTs: time,
  rcvTs: time,
  receipts: (value) => list(value).forEach(receipt),
  server,
  proxy: (value) => value === null || server(value),
  connIds: (value) => list(value).forEach(id),
}

/** What an agent reported or was asked, with the message behind it where there is one. */
export function checkEvent(event: JsonObject, messages: DecryptedMessages): void {
  expectKeys(event, 't', 'who', 'what', 'value')
  const value = object(event.value)
  expectKeys(value, ...Object.keys(FIELDS))
  for (const [name, field] of Object.entries(value)) FIELDS[name]?.(field, value)
  const received = messages.get(text(event, 'who')) ?? []
  if (event.what === 'MSG') assert.ok(received.some((message) => isUserMessage(message, value)))
  // What comes with REQ was not encrypted with a ratchet.
  if (event.what === 'CONF' || event.what === 'INFO') {
    assert.ok(received.some((message) => isConnInfo(message, value)))
  }
  if (event.what === 'RCVD') assert.ok(received.some((message) => isReceipt(message, value)))
}

function isUserMessage(agentMessage: AgentMessage, value: JsonObject): boolean {
  if (agentMessage.type !== 'message' || agentMessage.message.type !== 'A_MSG') return false
  const body = Buffer.from(agentMessage.message.body).toString('hex')
  return agentMessage.msgId === BigInt(number(value, 'sndMsgId')) && body === value.bodyHex
}

function isConnInfo(message: AgentMessage, value: JsonObject): boolean {
  return 'connInfo' in message && Buffer.from(message.connInfo).toString('hex') === value.infoHex
}

function isReceipt(agentMessage: AgentMessage, value: JsonObject): boolean {
  if (agentMessage.type !== 'message' || agentMessage.message.type !== 'A_RCVD') return false
  return agentMessage.msgId === BigInt(number(value, 'sndMsgId'))
}

function id(value: unknown): void {
  assert.ok(fromBase64url(String(value)).length > 0)
}

function link(value: unknown): void {
  assert.equal(formatConnectionLink(parseConnectionLink(String(value))), value)
}

function server(value: unknown): void {
  assert.equal(formatSmpServer(parseSmpServer(String(value)).server), value)
}

function sameText(value: unknown, bytes: unknown): void {
  sameBytes(Buffer.from(String(value), 'utf8'), fromHex(String(bytes)))
}

function flag(value: unknown): void {
  assert.equal(typeof value, 'boolean')
}

function count(value: unknown): void {
  assert.ok(Number.isSafeInteger(value) && Number(value) > 0)
}

function time(value: unknown): void {
  assert.ok(!Number.isNaN(Date.parse(String(value))))
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : assert.fail('not a list')
}

function receipt(value: unknown): void {
  assert.ok(isObject(value))
  expectKeys(value, 'msgId', 'status')
  assert.match(text(value, 'status'), /^(ok|badMsgHash)$/)
  count(value.msgId)
}
