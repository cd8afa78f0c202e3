/** A line of input, or notice of one that was too long to be kept. */
export type InputLine = { readonly text: string } | { readonly tooLong: true }

/** No command is longer than this many characters; a longer line is skipped, not gathered. */
export const MAX_LINE_LENGTH = 1 << 20

/** The lines of a stream, the last one with or without a line feed; empty lines are left out. Memory is bounded. */
export async function* readLines(input: AsyncIterable<string | Uint8Array>): AsyncGenerator<InputLine> {
  const decoder = new TextDecoder()
  let rest = ''
  let skipping = false
  for await (const chunk of input) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const parts = text.split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      const line = rest + part
      rest = ''
      if (skipping || line.length > MAX_LINE_LENGTH) yield { tooLong: true }
      else if (line.trim() !== '') yield { text: line }
      skipping = false
    }
    if (!skipping) rest += last
    if (rest.length > MAX_LINE_LENGTH) {
      skipping = true
      rest = ''
    }
  }
  if (skipping) yield { tooLong: true }
  else if (rest.trim() !== '') yield { text: rest }
}
