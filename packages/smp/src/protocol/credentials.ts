import type { BrokerMessageType, CommandErrorType, CommandType, EntityId } from './types.ts'

type Presence = 'required' | 'forbidden' | 'optional'

interface CredentialRule {
  readonly authorization: Presence
  readonly entity: Presence
}

const BOTH: CredentialRule = { authorization: 'required', entity: 'required' }

/** Commands whose rule differs from {@link BOTH}: `spec/smp.md §2.4`, credential presence checks. */
const COMMAND_RULES: { readonly [T in CommandType]?: CredentialRule } = {
  NEW: { authorization: 'required', entity: 'forbidden' },
  SEND: { authorization: 'optional', entity: 'required' },
  LGET: { authorization: 'forbidden', entity: 'required' },
  PFWD: { authorization: 'forbidden', entity: 'required' },
  PING: { authorization: 'forbidden', entity: 'forbidden' },
  PRXY: { authorization: 'forbidden', entity: 'forbidden' },
  RFWD: { authorization: 'forbidden', entity: 'forbidden' },
}

const ANSWER_ENTITY: { readonly [T in BrokerMessageType]?: Presence } = {
  IDS: 'optional',
  ERR: 'optional',
  PONG: 'forbidden',
  PKEY: 'forbidden',
  RRES: 'forbidden',
}

/** The rule for one command: what a sender of it must and must not give. */
function credentialRule(type: CommandType): CredentialRule {
  return COMMAND_RULES[type] ?? BOTH
}

/**
 * What is wrong with the credentials of a command, before anything is looked up; undefined when nothing is.
 * `spec/smp.md §2.4`.
 */
export function checkCommandCredentials(
  type: CommandType,
  isAuthorized: boolean,
  entityId: EntityId,
): CommandErrorType | undefined {
  const { authorization, entity } = credentialRule(type)
  const hasEntity = entityId.length > 0
  if (authorization === 'required' && (!isAuthorized || (entity === 'required' && !hasEntity))) return 'NO_AUTH'
  if (entity === 'required' && !hasEntity) return 'NO_ENTITY'
  if (authorization === 'forbidden' && isAuthorized) return 'HAS_AUTH'
  if (entity === 'forbidden' && hasEntity) return 'HAS_AUTH'
  return undefined
}

/** What is wrong with the entity of a router's message; undefined when nothing is: `spec/smp.md §2.4`. */
export function checkAnswerCredentials(type: BrokerMessageType, entityId: EntityId): CommandErrorType | undefined {
  const entity = ANSWER_ENTITY[type] ?? 'required'
  const hasEntity = entityId.length > 0
  if (entity === 'required' && !hasEntity) return 'NO_ENTITY'
  return entity === 'forbidden' && hasEntity ? 'HAS_AUTH' : undefined
}
