import { randomBytes } from 'node:crypto'

const ID_LENGTH = 12

/** A new id of a connection, confirmation or request: base64url of 12 random bytes. */
export function newId(): string {
  return randomBytes(ID_LENGTH).toString('base64url')
}
