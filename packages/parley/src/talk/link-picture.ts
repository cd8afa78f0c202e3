import { renderUnicodeCompact } from 'uqr'

/** A link as text and as a QR code made of block characters, for another person's camera. */
export function linkPicture(link: string): string {
  return `Give this link to the other person; whoever uses it first is connected:

${renderUnicodeCompact(link, { border: 2 })}

${link}
`
}
