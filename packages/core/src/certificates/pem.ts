import { DecodeError } from '../encoding/index.ts'

const LINE = 64
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g

/** What PEM files of a router hold. */
export type PemLabel = 'CERTIFICATE' | 'PRIVATE KEY'

/** PEM text (RFC 7468) of one or more DER values with one label. */
export function toPem(label: PemLabel, ...values: Uint8Array[]): string {
  return values
    .map((value) => {
      const lines =
        Buffer.from(value)
          .toString('base64')
          .match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
    })
    .join('')
}

/**
 * All DER values with this label, in order; what stands between and around them is passed over.
 * @throws DecodeError when there is none or one is not base64
 */
export function fromPem(label: PemLabel, text: string): Uint8Array[] {
  const values: Uint8Array[] = []
  for (const match of text.matchAll(BLOCK)) {
    const [, found, body = ''] = match
    if (found !== label) continue
    const base64 = body.replace(/\s/g, '')
    const value = Buffer.from(base64, 'base64')
    if (value.length === 0 || value.toString('base64') !== base64) {
      throw new DecodeError(`${label} is not base64`, match.index)
    }
    values.push(new Uint8Array(value))
  }
  if (values.length === 0) throw new DecodeError(`no ${label} in PEM text`, 0)
  return values
}
