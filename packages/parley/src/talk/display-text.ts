// What a peer wrote is shown on a terminal, which obeys control characters: none of them may reach it.

/** Control characters, C0 and C1, but for the line feed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g
/** Characters that turn the direction of the text after them, and could make a line read as something else. */
const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/g

/** Text that a terminal shows as it is. */
export function displayText(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll('\t', ' ').replace(CONTROL, '\ufffd').replace(DIRECTION, '')
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const WIDE =
  /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|[\uff01-\uff60\u3000-\u303e]/u

/** Columns that one line of display text takes. */
export function displayWidth(line: string): number {
  let width = 0
  for (const { segment } of graphemes.segment(line)) width += WIDE.test(segment) ? 2 : 1
  return width
}

/** Rows that display text takes on a terminal of that many columns. */
export function displayRows(text: string, columns: number): number {
  return text.split('\n').reduce((rows, line) => rows + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0)
}
