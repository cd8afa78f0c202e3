import { DecodeError } from '@parley/core/encoding'

const VARIABLE = /(\\)?(\$)(\()?\{?([A-Z0-9_]+)?\}?/g

/**
 * Reads an env file as the Go node does (godotenv 1.3): one `KEY=VALUE` or `KEY: VALUE` a line, an optional `export`,
 * comments from `#` on outside quotes, single quotes for raw text, double quotes with escapes, and `$NAME` or
 * `${NAME}` for keys of earlier lines, except within single quotes. Later lines win.
 * @throws DecodeError with the line's number (from 1) as its offset; the line's text is not repeated, it may be a key
 */
export function parseEnvFile(text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^[ \t]*(#|$)/.test(line)) continue
    const [key, value] = splitLine(line, index + 1)
    values.set(key, readValue(value, values))
  }
  return values
}

function splitLine(line: string, number: number): [key: string, value: string] {
  const content = withoutComment(line)
  const separator = content.search(/[=:]/)
  if (separator < 0) throw new DecodeError('env file line without = at line', number)
  const key = content
    .slice(0, separator)
    .replace(/^export/, '')
    .trim()
  if (key === '') throw new DecodeError('env file line without a name at line', number)
  return [key, content.slice(separator + 1)]
}

/** The line up to the first `#` that is not between quotes. A lone quote opens them, wherever it stands. */
function withoutComment(line: string): string {
  const [first = '', ...segments] = line.split('#')
  let kept = first
  let open = opensOrCloses(first)
  for (const segment of segments) {
    if (!open) break
    kept += `#${segment}`
    if (opensOrCloses(segment)) open = false
  }
  return kept
}

function opensOrCloses(segment: string): boolean {
  return segment.split('"').length === 2 || segment.split("'").length === 2
}

function readValue(raw: string, values: ReadonlyMap<string, string>): string {
  const value = raw.replace(/^[ \t]+|[ \t]+$/g, '')
  if (/^'.*'$/.test(value) && value.length > 1) return value.slice(1, -1)
  const quoted = /^".*"$/.test(value) && value.length > 1
  return expand(quoted ? unescapeText(value.slice(1, -1)) : value, values)
}

/** `\n` and `\r` are what they say, a backslash before anything but `$` goes. */
function unescapeText(text: string): string {
  return text.replace(/\\([^$])/g, (_, char: string) => (char === 'n' ? '\n' : char === 'r' ? '\r' : char))
}

function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(VARIABLE, (whole: string, backslash: string, _dollar, bracket: string, name: string) => {
    if (backslash || bracket) return whole.slice(1)
    return name ? (values.get(name) ?? '') : whole
  })
}
