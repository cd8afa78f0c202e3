/** What a check of `parley doctor` found. */
export interface CheckResult {
  /** What was looked at. */
  readonly name: string
  /** `failed`: the node cannot do its work so; `warning`: it can, but somebody should look. */
  readonly outcome: 'ok' | 'warning' | 'failed'
  /** What was found, for people. No keys, no contents. */
  readonly found: string
  /** What to do, unless all is well. */
  readonly advice?: string
}

/** All is well. */
export function ok(name: string, found: string): CheckResult {
  return { name, outcome: 'ok', found }
}

/** Somebody should look. */
export function warning(name: string, found: string, advice: string): CheckResult {
  return { name, outcome: 'warning', found, advice }
}

/** The node cannot do its work. */
export function failed(name: string, found: string, advice: string): CheckResult {
  return { name, outcome: 'failed', found, advice }
}

/** What the system says of a failure: its code, as its texts may be long. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.message : 'unknown failure'
}
