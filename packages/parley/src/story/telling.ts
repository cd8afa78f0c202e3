/** One line. */
export function say(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Something new begins. */
export function chapter(title: string): void {
  say(`\n${title}`)
}

/** One line of a chapter. */
export function tell(text: string): void {
  say(`  ${text}`)
}
