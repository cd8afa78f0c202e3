/** Longest address, source or detail, in characters. */
export const MAX_TEXT = 256

/** Whether a text can be stored and found again as it is: SQLite ends a text at the first NUL. */
export function isStorable(text: string, max: number = MAX_TEXT): boolean {
  return text.length <= max && !text.includes('\0')
}

/** The text as far as it can be stored: for what is shown only. */
export function storedText(text: string, max: number = MAX_TEXT): string {
  return text.slice(0, max).replaceAll('\0', '\ufffd')
}
