import { agentCid, agentMultihash } from '@parley/acn/protocol'
import type { Needle } from './search.ts'

/** The ways in which an address can stand somewhere. */
export const FORMS = ['text', 'DHT key', 'public key'] as const

/** An agent of the story, as far as it can be recognised. */
export interface Recognisable {
  readonly name: string
  readonly address: string
  /** As its ledger writes it. */
  readonly publicKey: string
}

/** Name under which a form of an agent's address is looked for. */
export function formName({ name }: Pick<Recognisable, 'name'>, form: (typeof FORMS)[number]): string {
  return `${name}, ${form}`
}

/** Everything by which an agent's ledger address could be recognised. */
export function needlesOf(agent: Recognisable): Needle[] {
  const { address, publicKey } = agent
  const forms = {
    text: [...textForms(address), ...rawForms(address)],
    'DHT key': [agentMultihash(address).subarray(2), Buffer.from(agentCid(address))],
    'public key': [...textForms(publicKey), ...rawForms(publicKey)],
  }
  return FORMS.map((form) => ({ name: formName(agent, form), forms: forms[form] }))
}

/** A text in all spellings: addresses of Ethereum are written in mixed case. */
function textForms(text: string): Uint8Array[] {
  return [...new Set([text, text.toLowerCase(), text.toUpperCase()])].map((one) => Buffer.from(one.replace(/^0x/i, '')))
}

/** The bytes that hexadecimal digits stand for. */
function rawForms(text: string): Uint8Array[] {
  const digits = text.replace(/^0x/i, '')
  return /^([0-9a-f]{2})+$/i.test(digits) ? [Buffer.from(digits, 'hex')] : []
}
