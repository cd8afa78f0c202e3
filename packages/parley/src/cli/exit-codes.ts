/** How every `parley` command ends; `docs/cli.md` lists them for users. */
export const EXIT = {
  /** Done, or stopped by the user or a signal after everything was stored. */
  ok: 0,
  /** The command was understood and did not succeed. */
  failed: 1,
  /** The arguments, or the input that was to be decoded, are malformed. */
  malformed: 2,
} as const

/** Ends a command with a message for people on standard error and an exit code. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}
